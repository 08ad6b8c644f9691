"""Memory of a run over its pairs: few and many pairs of the sample set, one after the other, and a picture of both.

    python tools/memory.py [--few 200] [--many 20000] [--picture docs/memory.png]

Each run is `python -m bench run` in its own process, of a bound with the pixel metrics, so that it measures the
harness. Its resident memory and its progress are recorded during the run. The pairs are frames of the sample set's
clips, combined again. The peak with many pairs may be 5 % above that with few; exit code 1 if it is more. Intervals,
tables and the report come after the pairs; --working excludes their memory.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from protocols import sample_lists
from protocols.pairs import Pair, PairList

TOLERANCE = 1.05
COMMAND = "--models copy-source --no-bounds --protocol vox1-sameid --data sample --metrics ssim,psnr,l1 --device cpu"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--few", type=int, default=200)
    parser.add_argument("--many", type=int, default=20_000)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--working", action="store_true", help="judge only the time in which pairs are processed")
    asked = parser.parse_args()
    curves, peaks, working = {}, {}, {}
    for n in (asked.few, asked.many):
        with tempfile.TemporaryDirectory() as folder:
            curves[n], peaks[n] = measure(n, Path(folder))
        working[n] = max(resident for finished, resident in curves[n] if finished < n)
        print(f"{n} pairs: peak {peaks[n]:.1f} MiB, {working[n]:.1f} while pairs are processed", flush=True)
    judged = working if asked.working else peaks
    ratio = judged[asked.many] / judged[asked.few]
    print(f"{asked.many} over {asked.few} pairs: {ratio:.3f}")
    if asked.picture:
        draw(curves, peaks, asked.picture)
    return int(ratio > TOLERANCE)


def pair_list(n: int) -> PairList:
    """Return `n` pairs of two frames of one clip: combinations of all frames of the sample protocol's clips."""
    known = sample_lists.load("sameid").pairs
    clips: dict[str, dict[str, object]] = {}
    for pair in known:
        for ref in (pair.source, pair.driving):
            clips.setdefault(ref.clip, {})[ref.frame] = (ref, pair.source_identity)
    couples = [couple for frames in clips.values() for couple in itertools.permutations(frames.values(), 2)]
    pairs = []
    for i in range(n):
        (source, who), (driving, _) = couples[i % len(couples)]
        pairs.append(Pair(f"{i:06d}", source, driving, driving, None, who, who))
    return PairList(f"memory-{n}", 1, tuple(pairs))


def measure(n: int, folder: Path) -> tuple[list[tuple[int, float]], float]:
    """Run `n` pairs; return the resident memory in MiB by number of finished pairs, and its peak."""
    pair_list(n).write(folder / "pairs.csv")
    command = f"-m bench run {COMMAND} --pairs {folder / 'pairs.csv'} --out {folder} --name run"
    process = subprocess.Popen([sys.executable, *command.split()], stdout=subprocess.DEVNULL)
    curve, frames = [], folder / "run" / "work" / "copy-source" / "frames"
    while True:
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        if ended:
            break
        try:
            resident = Path(f"/proc/{process.pid}/statm").read_text().split()[1]
            curve.append((len(os.listdir(frames)), int(resident) * os.sysconf("SC_PAGE_SIZE") / 2**20))
        except (FileNotFoundError, IndexError):
            pass  # not started, or just ended
        time.sleep(0.5)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"the run of {n} pairs failed with exit code {process.returncode}")
    return curve, usage.ru_maxrss / 1024


def draw(curves: dict[int, list[tuple[int, float]]], peaks: dict[int, float], file: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 3.2), layout="constrained")
    for (n, curve), color in zip(curves.items(), ("tab:orange", "tab:blue")):
        most = itertools.accumulate((finished for finished, _ in curve), max)  # frames are deleted at the end
        shown = [(finished, resident) for finished, (_, resident) in zip(most, curve) if finished]
        axes.plot(*zip(*shown), color=color, label=f"{n:,} pairs, peak {peaks[n]:.0f} MiB")
        axes.axhline(peaks[n], color=color, linewidth=0.8, linestyle=":")
    axes.set(xlabel="pairs finished", ylabel="resident memory, MiB", xscale="log", ylim=(0, None))
    axes.legend(loc="lower right")
    figure.savefig(file, dpi=110)


if __name__ == "__main__":
    sys.exit(main())
