"""`python -m bench speed`: time models, metrics and detectors on this machine, next to common libraries.

The ways of a job run alternately in one process, round after round, so that a busy machine slows all of them; compare
their ratios. Times are medians over the rounds, with minimum and maximum.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from baselines import registry
from baselines.arithmetic import exact
from baselines.card import MODELS, card, find_weights, systems
from baselines.errors import ModelError
from baselines.network_predictor import NetworkPredictor
from baselines.predictor import MotionMode, PairBatch, Predictor, default_device
from baselines.spec import ModelSpec
from bench import detectors
from bench.detectors.cache import cached
from bench.run import manifest
from bench.run.engine import Decoded, pair_batch
from bench.runtime.config import Config
from bench.runtime.device import pairs_at_a_time
from bench.runtime.errors import UserError
from bench.speed import forms as speed_forms
from bench.speed import metrics
from bench.speed.clips import ClipJobs
from bench.speed.forms import Form
from bench.speed.metrics import Work
from protocols import catalogue, interruption
from protocols.resolve import resolve

PARTS = ("models", "pixels", "perceptual", "detectors", "clips", "forms")
FRAMES = 4  # frames of a clip for each requested pair


@dataclass(frozen=True)
class Timing:
    """Milliseconds per pair of one way to do a job: median, minimum and maximum over the rounds.

    ratios: the same three of this way's time divided by that of the job's first way in the same round.
    work: the median ratio of CPU time over all threads, which depends less on other programs.
    """

    job: str
    way: str
    median: float
    low: float
    high: float
    ratios: tuple[float, float, float] = (1.0, 1.0, 1.0)
    work: float = 1.0


def measure(jobs: dict[str, dict[str, Work]], pairs: int, rounds: int) -> list[Timing]:
    """Time every way of every job alternately. jobs: by job and way, a function that processes `pairs` pairs."""
    timings = []
    for job, ways in jobs.items():
        seconds: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
        for work in ways.values():
            work()  # first calls load weights and choose kernels
        for _ in range(rounds):
            for way, work in ways.items():
                interruption.check()
                start = time.perf_counter(), time.process_time()
                work()
                seconds[way].append((time.perf_counter() - start[0], time.process_time() - start[1]))
        first = next(iter(seconds.values()))
        for way, values in seconds.items():
            scaled = [1000 * wall / pairs for wall, _ in values]
            ratios = [wall / own for (wall, _), (own, _) in zip(values, first)]
            spreads = [(statistics.median(x), min(x), max(x)) for x in (scaled, ratios)]
            # nothing was computed
            worked = statistics.median(cpu / own if own else 1.0 for (_, cpu), (_, own) in zip(values, first))
            timings.append(Timing(job, way, *spreads[0], spreads[1], worked))
    return timings


def default_models(weights: Path | None) -> list[str]:
    """Return the papers' models driven by frames that can be trained here or have weights here.

    Models without weights get random ones, which take the same time.
    """
    there = {name: _has_weights(name, weights) for name in systems("frames")}
    known = {name: has for name, has in there.items() if has or card(name).trainee}
    return [name if has else f"{name}?weights=untrained" for name, has in known.items()]


def _has_weights(name: str, weights: Path | None) -> bool:
    about = card(name)
    try:
        return about.sample.is_file() or find_weights(about, weights) is not None
    except ModelError:  # several candidates: an error when it is loaded
        return True


def run(
    models: Sequence[str],
    config: Config,
    pairs: int,
    rounds: int,
    out: Path | None,
    console: Console,
    parts: Sequence[str] | None = None,
) -> int:
    """Measure `parts` on `pairs` pairs of the sample set; print and save a Markdown page.

    parts: of `PARTS`; by default all, forms only with a GPU, since a CPU takes minutes to compile one.
    Return the number of forms that move a metric out of its interval. Raises UserError for an unknown part.
    """
    exact()
    device = default_device()
    if parts is None:
        parts = [part for part in PARTS if part != "forms" or device.type != "cpu"]
    if unknown := sorted({*parts} - {*PARTS}):
        raise UserError(f"--parts {', '.join(unknown)}: choose from {', '.join(PARTS)}", code="unknown-choice")
    if out and (out.is_dir() or not out.parent.is_dir()):
        raise UserError(
            f"--out {out}: {'is a folder; give a file' if out.is_dir() else 'its folder does not exist'}",
            code="unwritable-file",
        )
    protocol = catalogue.get("vox1-sameid")
    resolved = resolve(protocol, {}, config.cache, sample=True, limit=pairs)
    loaded = [(pair, resolved.load(pair)) for pair in resolved.pair_list.pairs]
    source, target = (np.stack([getattr(frames, role) for _, frames in loaded]) for role in ("source", "target"))
    with tempfile.TemporaryDirectory() as folder:
        makers: dict[str, Callable[[], dict[str, dict[str, Work]]]] = {
            "models": lambda: _models(models, config, loaded, device),
            "pixels": lambda: metrics.pixels(source, target),
            "perceptual": lambda: metrics.perceptual(source, target, config, device),
            "detectors": lambda: _detectors(config, loaded, Path(folder)),
        }
        jobs = {job: ways for part in makers if part in parts for job, ways in makers[part]().items()}
        with torch.inference_mode():
            timings = measure(jobs, len(loaded), rounds)
            if "clips" in parts:
                clips = ClipJobs(config, FRAMES * pairs, Path(folder))
                timings += measure(clips.jobs(), clips.frames, rounds)
    forms: list[Form] = []
    for name in models if "forms" in parts else ():
        found = speed_forms.forms(name, config, protocol, loaded, device)
        timings += measure(speed_forms.jobs(name, found, config, loaded, device), len(loaded), rounds)
        forms += found
    page = _page(timings, len(loaded), rounds, str(device)) + "\n".join(speed_forms.page(forms))
    console.print(page, markup=False, soft_wrap=True)
    if out:
        out.write_text(page, encoding="utf-8")
    return sum(bool(form.beyond) for form in forms)


def _models(models: Sequence[str], config: Config, loaded: list, device: torch.device) -> dict[str, dict[str, Work]]:
    jobs: dict[str, dict[str, Work]] = {}
    size = pairs_at_a_time(device)
    batches = [
        pair_batch(Decoded.of(loaded[start : start + size], device), device, 0) for start in range(0, len(loaded), size)
    ]
    singles = [_as_by_default(pair_batch(Decoded.of([pair], device), device, 0)) for pair in loaded]
    for name in models:
        model = registry.load(name, weights=config.weights, device=device)
        if model.driven_by == "sound":
            raise UserError(f"{name} is driven by sound; speed is measured on pairs of frames", code="unused-option")
        plain = model
        spec = ModelSpec.parse(name)
        if spec.target in MODELS:
            spec = spec.with_options({"plain": "true"})
            plain = registry.load(spec, weights=config.weights, device=device)
        mode = model.motion_modes[0]

        jobs[f"model {name}"] = {
            f"bench, batches of {size}": partial(_answers, model, mode, batches, uncached=True),
            "plain, one pair at a time": partial(_answers, plain, mode, singles),
        }
    return jobs


def _answers(
    model: Predictor, mode: MotionMode, batches: Sequence[PairBatch], uncached: bool = False
) -> list[torch.Tensor]:
    """Time a model. uncached: clear what the network cached in the previous round."""
    if uncached and isinstance(model, NetworkPredictor):
        model.forget()
    return [model.predict(batch, mode).cpu() for batch in batches]  # waits for an accelerator


def _as_by_default(batch: PairBatch) -> PairBatch:
    """Return the batch with images in torch's default memory format, as data loaders return them.

    Decoded images are channels-last, and so are all features computed from them, which makes networks faster.
    """
    images = {role: getattr(batch, role) for role in ("source", "driving", "target", "anchor")}
    return replace(batch, **{role: part.contiguous() for role, part in images.items() if part is not None})


def _detectors(config: Config, loaded: list, folder: Path) -> dict[str, dict[str, Work]]:
    """Return each detector with a filled cache and without; a derived detector includes its base."""
    images = np.stack([frames.target for _, frames in loaded])
    chosen = detectors.choose("auto", config.weights)
    kept = cached(chosen, folder)
    return {
        f"detector {kind}: {detector.name}": {
            "bench, found before": partial(kept[kind].detect, images),
            "uncached": partial(detector.detect, images),
        }
        for kind, detector in chosen.items()
    }


def _page(timings: Sequence[Timing], pairs: int, rounds: int, device: str) -> str:
    machine = manifest.machine()
    versions = manifest.versions()
    lines = [
        "# Speed",
        "",
        f"Written by `python -m bench speed` on {manifest.now()[:10]}: {machine.cpu}, {machine.cores} cores, "
        f"{machine.threads} torch threads, device {device}, GPU {machine.gpu or 'none'}, "
        f"torch {versions['torch']}.",
        f"{pairs} pairs of 256 x 256 from the sample set; for clips at most {FRAMES * pairs} frames, each counted as a "
        f"pair. Each row is the median of {rounds} rounds, with minimum and maximum in brackets. The ways of a job ran "
        "alternately in one process. The last columns are the time of a way divided by that of the job's first way, "
        "the median over the rounds, by the clock and by CPU time over all threads, which depends less on other "
        "programs. A detector's row includes the landmarks that it needs; a run detects landmarks once per frame and "
        "caches them.",
        "",
        "| job | way | ms per pair | pairs per second | ratio | ratio of CPU time |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    first: Timing | None = None
    for timing in timings:
        if first is None or timing.job != first.job:
            first = timing
        ratio = " | " if timing is first else "{:.2f}x ({:.2f}-{:.2f}) | {:.2f}x".format(*timing.ratios, timing.work)
        spread = f"{timing.median:.2f} ({timing.low:.2f}-{timing.high:.2f})"
        lines.append(f"| {timing.job} | {timing.way} | {spread} | {1000 / timing.median:.1f} | {ratio} |")
    return "\n".join(lines) + "\n"
