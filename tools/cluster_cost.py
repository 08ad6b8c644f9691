"""Estimate the cost of a full table on several workers from measured rates, as Markdown.

    python tools/cluster_cost.py [FILE …] [--models A,B,…] [--pairs N] [--workers 1,8,64] [--faster X]

FILE: pages with measured rates, by default `docs/speed.md`: rows of `python -m bench speed` ("| model NAME | way |
ms …"), and of that page's table of networks of official size ("| NAME | ms (…", which takes precedence). The first page
with a rate counts. With a page that `bench speed` wrote on a machine with a GPU, all rates are measured. Without one,
the networks and the perceptual metric are assumed to be --faster times as fast as measured; other rates are unchanged.

With M models, P pairs, W workers; n(m) seconds per pair in a network, x in the pixel metrics, l in the perceptual one,
d in the detectors for one frame:

    work = P · (Σ n(m) + M · (x + l + 2 d))     2 d: the generated frame and the reference, as if the reference's
                                                detections were not cached from another model
    time = max(work / W + waiting, P · M · f)   f: what the starting process needs to store a pair

f is measured now, in a temporary folder. Between two models, workers wait for the last shard: the time simulates the
shards of a run (bench/run/ray_shards.py) on equally fast workers. Not included: starting Ray and loading the networks,
decoding where it is slower than the rest, and lost workers.
"""

from __future__ import annotations

import argparse
import heapq
import re
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from baselines.card import card, systems
from bench.run.engine import Batch, Model, evaluate
from bench.run.ray_shards import cut
from bench.rundir.directory import RunDirectory
from bench.rundir.encoding import to_png
from protocols.pairs import FrameRef, Pair

PAGES = (Path("docs/speed.md"),)
BATCH = 16  # pairs on a GPU
HOUR = 3.6e6  # milliseconds
MODELS = ",".join([*(name for name in systems("frames") if card(name).sample.is_file()), "dagan-spade"])
PIXELS = ("metric ssim", "metric psnr", "metric l1")
ROW = re.compile(r"^\| (?P<job>(?:model|metric|detector) [^|]+|all pixel metrics) \| (?P<way>[^|]+) \| (?P<ms>[\d.]+)")
NETWORK = re.compile(r"^\| (?P<name>[\w+-]+) \| (?P<ms>[\d.]+) \(")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", type=Path, default=PAGES)
    parser.add_argument("--models", default=MODELS)
    parser.add_argument("--pairs", type=int, default=4166)
    parser.add_argument("--workers", default="1,8,64")
    parser.add_argument("--faster", type=float, default=1.0)
    asked = parser.parse_args()
    rates = read(asked.pages)
    names = asked.models.split(",")
    if missing := [name for name in names if f"model {name}" not in rates]:
        parser.error(f"no rate of {', '.join(missing)} in {', '.join(map(str, asked.pages))}")
    networks = [rates[f"model {name}"] / asked.faster for name in names]
    pixels = rates.get("all pixel metrics") or sum(rates[job] for job in PIXELS)
    perceptual = sum(rate for job, rate in rates.items() if "lpips" in job) / asked.faster
    detectors = detection(rates)
    fold = measure_fold()
    each = [network + pixels + perceptual + 2 * detectors for network in networks]
    print(
        f"{len(names)} models, {asked.pairs} pairs. Milliseconds a pair: networks {sum(networks):.0f} together, pixel"
    )
    print(f"metrics {pixels:.1f}, perceptual {perceptual:.1f}, detectors {detectors:.1f} a frame, keeping {fold:.2f}.")
    print("\n| workers | hours | worker hours | of which waiting | starting process busy |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    work = asked.pairs * sum(each)
    for workers in map(int, asked.workers.split(",")):
        busiest = makespan(asked.pairs, workers) * sum(each)
        keeping = asked.pairs * len(names) * fold
        total = max(busiest, keeping)
        waiting = max(0.0, 1 - work / workers / total)
        print(
            f"| {workers} | {total / HOUR:.2f} | {workers * total / HOUR:.1f} | {waiting:.0%} | {keeping / total:.0%} |"
        )


def makespan(pairs: int, workers: int) -> int:
    """Return the number of pairs of the busiest worker, if shards go to the first free worker."""
    size = BATCH
    busy = [0] * workers
    for shard in cut(-(-pairs // size), workers):
        heapq.heapreplace(busy, busy[0] + sum(min(size, pairs - k * size) for k in shard))
    return max(busy)


def read(pages: list[Path]) -> dict[str, float]:
    """Return milliseconds per pair by job: for a detector the last way (without its cache), otherwise the first."""
    rates: dict[str, float] = {}
    for page in pages:
        here: dict[str, float] = {}
        for line in page.read_text(encoding="utf-8").splitlines():
            if row := NETWORK.match(line):
                here[f"model {row['name']}"] = float(row["ms"])
            elif (row := ROW.match(line)) and (row["job"].startswith("detector") or row["job"] not in here):
                here[row["job"]] = float(row["ms"])
        rates = here | rates
    return rates


def detection(rates: dict[str, float]) -> float:
    """Return the time of all detectors on one frame; rows of detectors derived from landmarks include the landmarks."""
    rows = {job: ms for job, ms in rates.items() if job.startswith("detector")}
    landmarks = next((ms for job, ms in rows.items() if job.startswith("detector landmarks")), 0.0)
    return landmarks + sum(max(0.0, ms - landmarks) for job, ms in rows.items())


def measure_fold(batches: int = 40) -> float:
    """Measure the milliseconds that the starting process needs to write one pair's frame and row, flushed to disk."""
    frame = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    png, ref = to_png(frame), FrameRef("mine", "clip", "0000001")
    pairs = [Pair(f"{number:06d}", ref, ref, ref, None, "a", "a") for number in range(batches * BATCH)]

    def work(model: Model, batches: list) -> list[Batch]:
        columns = {f"metric{k}": 0.5 for k in range(8)} | {"status": "ok"}
        ids = [[pair.id for pair in batch] for batch in batches]
        return [Batch(pd.DataFrame({"pair": one, **columns}), dict.fromkeys(one, png), {}) for one in ids]

    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        model = Model("x", None, "absolute")
        evaluate(model, pairs, work, RunDirectory(Path(folder)), batch_size=BATCH, progress=lambda n: None)
        return 1000 * (time.perf_counter() - start) / len(pairs)


if __name__ == "__main__":
    main()
