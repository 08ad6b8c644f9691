"""`python -m bench speed`: what each model, metric and detector costs on this machine, beside what people use today.

The sides of a comparison run in turn within one process, round after round, so that a busy machine slows both alike;
what counts is the ratio. Times are medians over the rounds, with the smallest and largest.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from baselines import registry
from baselines.network_predictor import NetworkPredictor
from baselines.predictor import MotionMode, Predictor, default_device
from bench import detectors, manifest, metrics
from bench.config import Config
from bench.detectors.cache import cached
from bench.engine import pair_batch
from bench.errors import UserError
from bench.metrics.base import as_images
from bench.metrics.catalogue import PIXELS
from bench.run import BATCH
from protocols import catalogue
from protocols.resolve import resolve

Work = Callable[[], object]
PARTS = ("models", "metrics", "detectors")


@dataclass(frozen=True)
class Timing:
    """Milliseconds a pair of one way to do a job: median, smallest and largest over the rounds.

    ratios: the same three of the time of this way divided by that of the job's first way in the same round.
    """

    job: str
    way: str
    median: float
    low: float
    high: float
    ratios: tuple[float, float, float] = (1.0, 1.0, 1.0)


def measure(jobs: dict[str, dict[str, Work]], pairs: int, rounds: int) -> list[Timing]:
    """Time every way of every job, in turn. `jobs`: job to way to a function that handles `pairs` pairs."""
    timings = []
    for job, ways in jobs.items():
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for work in ways.values():
            work()  # first calls load weights and choose kernels
        for _ in range(rounds):
            for way, work in ways.items():
                start = time.perf_counter()
                work()
                seconds[way].append(time.perf_counter() - start)
        first = next(iter(seconds.values()))
        for way, values in seconds.items():
            scaled = [1000 * value / pairs for value in values]
            ratios = [value / own for value, own in zip(values, first)]
            spreads = [(statistics.median(x), min(x), max(x)) for x in (scaled, ratios)]
            timings.append(Timing(job, way, *spreads[0], spreads[1]))
    return timings


def run(
    models: Sequence[str],
    config: Config,
    pairs: int,
    rounds: int,
    out: Path | None,
    console: Console,
    parts: Sequence[str] = PARTS,
) -> None:
    """Measure `parts` on `pairs` pairs of the sample set; print and save a Markdown page.

    Raises UserError for a part that is not one of `PARTS`.
    """
    if unknown := sorted({*parts} - {*PARTS}):
        raise UserError(f"--parts {', '.join(unknown)}: choose from {', '.join(PARTS)}")
    device = default_device()
    resolved = resolve(catalogue.get("vox1-sameid"), {}, config.cache, sample=True, limit=pairs)
    loaded = [(pair, resolved.load(pair)) for pair in resolved.pair_list.pairs]
    with tempfile.TemporaryDirectory() as folder:
        makers: dict[str, Callable[[], dict[str, dict[str, Work]]]] = {
            "models": lambda: _models(models, config, loaded, device),
            "metrics": lambda: _all_pixels(loaded) | _metrics(config, loaded),
            "detectors": lambda: _detectors(config, loaded, Path(folder)),
        }
        jobs = {job: ways for part in PARTS if part in parts for job, ways in makers[part]().items()}
        with torch.inference_mode():
            timings = measure(jobs, len(loaded), rounds)
    page = _page(timings, len(loaded), rounds, str(device))
    console.print(page, markup=False, soft_wrap=True)
    if out:
        out.write_text(page, encoding="utf-8")


def _models(models: Sequence[str], config: Config, loaded: list, device: torch.device) -> dict[str, dict[str, Work]]:
    jobs = {}
    size = BATCH.get(device.type, 1)
    batches = [pair_batch(loaded[start : start + size], device, 0) for start in range(0, len(loaded), size)]
    singles = [pair_batch([pair], device, 0) for pair in loaded]
    for name in models:
        model = registry.load(name, weights=config.weights, device=device)
        plain = model
        if isinstance(model, NetworkPredictor):
            plain = registry.load(
                f"{name}{'&' if '?' in name else '?'}plain=true", weights=config.weights, device=device
            )
        mode = model.motion_modes[0]

        def answer(model: Predictor = model, mode: MotionMode = mode) -> list[torch.Tensor]:
            if isinstance(model, NetworkPredictor):
                model.forget()  # what the last round saw
            return [finished(model.predict(batch, mode)) for batch in batches]

        def finished(frames: torch.Tensor) -> torch.Tensor:
            return frames.cpu()  # waits for an accelerator

        jobs[f"model {name}"] = {
            f"bench, batches of {size}": answer,
            "plain, one pair at a time": lambda model=plain, mode=mode: [
                finished(model.predict(b, mode)) for b in singles
            ],
        }
    return jobs


def _all_pixels(loaded: list) -> dict[str, dict[str, Work]]:
    """All definitions of the pixel metrics of uint8 frames, beside scikit-image on floats made beforehand."""
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    one, other = (np.stack([getattr(frames, role) for _, frames in loaded]) for role in ("source", "target"))
    floats = [(a.astype(np.float32) / 255, b.astype(np.float32) / 255, a, b) for a, b in zip(one, other)]
    chosen = [d for d in metrics.definitions().values() if d.detector is None and d.family in PIXELS]
    window = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}

    def ours() -> object:
        return metrics.compute_images(chosen, *(as_images(frames, torch.device("cpu")) for frames in (one, other)))

    def library() -> object:
        return [
            (
                structural_similarity(a, b, channel_axis=2, data_range=1.0, **window),
                structural_similarity(a, b, channel_axis=2, data_range=1.0),
                structural_similarity(a, b, channel_axis=2, data_range=2.0),
                peak_signal_noise_ratio(a, b, data_range=1.0),
                10 * np.log10(255**2 / max(np.mean((x - y) ** 2, dtype=np.float64), 1e-9)),
                np.abs(a - b).mean(dtype=np.float64),
            )
            for a, b, x, y in floats
        ]

    return {"all pixel metrics": {"bench": ours, "scikit-image and numpy, pair by pair": library}}


def _metrics(config: Config, loaded: list) -> dict[str, dict[str, Work]]:
    """Image metrics: ours on the batch beside the usual library called pair by pair on arrays."""
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    frames = [(frames.source, frames.target) for _, frames in loaded]
    floats = [(a.astype(np.float32) / 255, b.astype(np.float32) / 255) for a, b in frames]
    source, target = (
        torch.stack([torch.from_numpy(pair[i]).permute(2, 0, 1) for pair in floats]).contiguous() for i in (0, 1)
    )
    window = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}

    def ssim(**options: object) -> Work:
        return lambda: [structural_similarity(a, b, channel_axis=2, **options) for a, b in floats]

    others: dict[str, tuple[str, Work]] = {
        "ssim": ("scikit-image", ssim(data_range=1.0, **window)),
        "ssim-skimage": ("scikit-image", ssim(data_range=1.0)),
        "ssim-published": ("scikit-image", ssim(data_range=2.0)),
        "psnr": ("scikit-image", lambda: [peak_signal_noise_ratio(a, b, data_range=1.0) for a, b in floats]),
        "l1": ("numpy", lambda: [np.abs(a - b).mean(dtype=np.float64) for a, b in floats]),
    }
    jobs = {}
    chosen = detectors.choose("auto", config.weights, kinds={"perceptual"})
    names = ["ssim", "ssim-skimage", "ssim-published", "psnr", "psnr-uint8", "l1", *chosen.perceptual]
    for definition in metrics.resolve(names, chosen):
        if definition.name not in names:
            continue
        ways: dict[str, Work] = {"bench": lambda compute=definition.compute: compute(source, target)}
        if definition.name in others:
            library, work = others[definition.name]
            ways[f"{library}, pair by pair"] = work
        elif definition.family == "lpips" and (work := _lpips_one_by_one(source, target)):
            ways["lpips (alex), pair by pair"] = work
        jobs[f"metric {definition.name}"] = ways
    return jobs


def _lpips_one_by_one(source: torch.Tensor, target: torch.Tensor) -> Work | None:
    """The `lpips` package with AlexNet, called as its readme shows. Speed needs no trained weights."""
    from bench.detectors.torchvision_repair import repair

    try:
        repair()
        import lpips
    except (ImportError, RuntimeError):
        return None
    network = lpips.LPIPS(net="alex", pretrained=False, pnet_rand=True, verbose=False).eval()
    return lambda: [network(a[None] * 2 - 1, b[None] * 2 - 1) for a, b in zip(source, target)]


def _detectors(config: Config, loaded: list, folder: Path) -> dict[str, dict[str, Work]]:
    """Each detector with its cache filled and without; those that derive from another pay for it here."""
    images = np.stack([frames.target for _, frames in loaded])
    chosen = detectors.choose("auto", config.weights)
    kept = cached(chosen, folder)
    return {
        f"detector {kind}: {detector.name}": {
            "bench, found before": lambda detector=kept[kind]: detector.detect(images),
            "anew": lambda detector=detector: detector.detect(images),
        }
        for kind, detector in chosen.items()
    }


def _page(timings: Sequence[Timing], pairs: int, rounds: int, device: str) -> str:
    machine = manifest.machine()
    versions = manifest.versions()
    lines = [
        "# Speed",
        "",
        f"Written by `python -m bench speed` on {manifest.now()[:10]}: {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['threads']} torch threads, device {device}, GPU {machine['gpu'] or 'none'}, "
        f"torch {versions['torch']}.",
        f"{pairs} pairs of 256 x 256 from the sample set; each row is the median of {rounds} rounds, smallest and "
        "largest in brackets. The ways of one job ran in turn in one process; the last column is the first way's "
        "advantage over the other, the median of the rounds' ratios. "
        "A detector's row is its whole cost, that of the landmarks included where it needs "
        "them; a run finds landmarks once a frame, and keeps what it found.",
        "",
        "| job | way | ms a pair | pairs a second | ratio |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    first: Timing | None = None
    for timing in timings:
        if first is None or timing.job != first.job:
            first = timing
        ratio = "" if timing is first else "{:.2f}x ({:.2f}-{:.2f})".format(*timing.ratios)
        spread = f"{timing.median:.2f} ({timing.low:.2f}-{timing.high:.2f})"
        lines.append(f"| {timing.job} | {timing.way} | {spread} | {1000 / timing.median:.1f} | {ratio} |")
    return "\n".join(lines) + "\n"
