"""Run directories for tests: numbers and pictures are drawn at random, the summary is computed as in a real run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from bench.metrics import families
from bench.stats.summary import summarize
from protocols.names import safe_name
from reports.run import choose
from reports.schema.manifest import Complete, DetectorEntry, MetricEntry, ModelEntry, Timing
from support import manifests

# name, family, higher is better, unit, against (cross-identity), detector, proxy, mean, spread
METRICS = (
    ("ssim", "ssim", True, "", "target", None, False, 0.72, 0.05),
    ("ssim-published", "ssim", True, "", "target", None, False, 0.81, 0.04),
    ("psnr", "psnr", True, "dB", "target", None, False, 23.4, 1.8),
    ("psnr-uint8", "psnr", True, "dB", "target", None, False, 31.0, 0.6),
    ("st-lpips", "lpips", False, "", "target", None, True, 0.19, 0.04),
    ("l1", "l1", False, "", "target", None, False, 0.041, 0.009),
    ("akd-dlib", "akd", False, "px", "target", "landmarks", True, 1.6, 0.4),
    ("mkr-dlib", "mkr", False, "share", "target", "landmarks", True, 0.01, 0.005),
    ("aed-dlib", "aed", False, "", "source", "identity", True, 0.11, 0.03),
    ("aucon-geom", "aucon", True, "share", "driving", "action_units", True, 0.82, 0.09),
    ("prmse-pnp", "prmse", False, "deg", "driving", "headpose", True, 2.4, 0.8),
)
BOUNDS = {"copy-source", "copy-target"}
SKILL = {"mcnet": 0.35, "tpsm": 0.1, "copy-source": -1.4}


def make(
    run: Path,
    *,
    models: tuple[str, ...] = ("mcnet", "tpsm", "copy-source", "copy-target"),
    pairs: int = 90,
    reference: str = "same-identity",
    sample: bool = True,
    failures: bool = True,
    clip: str = "clip",
    side: int = 64,
    metrics: Sequence[str] = tuple(metric[0] for metric in METRICS),
) -> Path:
    """Write a complete run directory without its report. clip: prefix of the clips' names."""
    rng = np.random.default_rng(0)
    manifest = _manifest(models, pairs, reference, sample, run.name, metrics)
    samples = _samples(rng, models, pairs, reference, manifest.metrics, failures, clip)
    manifests.write(run, manifest, summarize(samples, manifest.metrics, seed=0, n_resamples=500))
    samples.to_parquet(run / "samples.parquet", index=False)
    _pictures(rng, run, samples, manifest, side)
    return run


def _manifest(
    models: tuple[str, ...], pairs: int, reference: str, sample: bool, name: str, chosen: Sequence[str]
) -> Complete:
    metrics = [
        manifests.metric(
            metric,
            family=family,
            higher_is_better=higher,
            unit=unit,
            against=against if reference == "cross-identity" else "target",
            detector=detector,
            proxy=proxy,
            applies=reference == "same-identity" or against != "target",
            **families.facts(families.FAMILIES[family], unit),
        )
        for metric, family, higher, unit, against, detector, proxy, _, _ in METRICS
        if metric in chosen
    ]
    entries = [
        ModelEntry(name=model, mode="relative", sample_weights=sample and model not in BOUNDS, sha256="c" * 64)
        for model in models
    ]
    return manifests.complete(
        entries,
        metrics,
        name=name,
        command=["python", "-m", "bench", "run", "--models", ",".join(models), "--protocol", "vox1-diffscale"],
        protocol=manifests.PROTOCOL.but(reference=reference),
        pairs=manifests.PAIRS.but(n=pairs),
        sample_data=sample,
        notices=["SAMPLE SET (no folder is configured for vox1): the numbers are not comparable with any paper's"]
        if sample
        else [],
        detectors=[DetectorEntry(kind="landmarks", name="dlib68", signature="dlib68|v:1|model:fbdc2cb8", proxy=True)],
        timings={model: Timing(pairs_per_second=3.2) for model in models},
    )


def _samples(
    rng: np.random.Generator,
    models: tuple[str, ...],
    pairs: int,
    reference: str,
    metrics: Sequence[MetricEntry],
    failures: bool,
    clip: str,
) -> pd.DataFrame:
    person = np.arange(pairs) % 3
    other = (person + 1) % 3 if reference == "cross-identity" else person
    shared = rng.normal(size=pairs) + 0.5 * person  # hard pairs are hard for every model
    frames = []
    factors = None
    for model in models:
        drawn = rng.uniform(0.7, 1.3, (2, pairs))
        factors = drawn if factors is None else factors
        rows = pd.DataFrame(
            {
                "pair": [f"{i:05d}" for i in range(pairs)],
                "model": model,
                "source_identity": [f"p{i}" for i in person],
                "driving_identity": [f"p{i}" for i in other],
                "source": [f"sample/{clip}{i}/0000000" for i in person],
                "driving": [f"sample/{clip}{i}/{n:07d}" for n, i in enumerate(other)],
                "target": [None if reference == "cross-identity" else f"sample/{clip}{i}/0000001" for i in other],
                "alpha": factors[0],
                "beta": factors[1],
                "status": "ok",
                "error": None,
                "seconds": 0.3,
            }
        ).astype({"error": "str"})
        lost = rows.index[:2] if failures and model == models[0] else rows.index[:0]
        rows.loc[lost, ["status", "error"]] = ["failed", "the model gave no finite frame"]
        applies = {metric.name for metric in metrics if metric.applies}
        for name, family, higher, _, _, detector, _, mean, spread in METRICS:
            if name not in applies:
                continue
            noise = 0.6 * rng.normal(size=pairs) - shared + SKILL.get(model, 0)
            values = mean + (1 if higher else -1) * spread * noise
            if model == "copy-target":
                values = np.full(pairs, np.inf if family == "psnr" else float(higher))
            rows[name] = np.clip(values, 0, 1) if family in ("ssim", "aucon", "mkr") else np.maximum(values, 0)
            missed = rng.random(pairs) < (0.04 if failures and detector and model != "copy-target" else 0)
            rows.loc[missed, name] = np.nan
            rows.loc[lost, name] = np.nan
            found = np.where(missed, "generated frame: no face found", None)
            rows[f"{name}.reason"] = pd.Series(found, dtype="str").where(~rows.index.isin(lost))
        frames.append(rows)
    return pd.concat(frames, ignore_index=True)


def _pictures(rng: np.random.Generator, run: Path, samples: pd.DataFrame, manifest: Complete, side: int) -> None:
    for pair in choose.picture_pairs(samples, manifest):
        inputs = {role: _face(rng, side) for role in ("_source", "_driving", "_target")}
        if manifest.protocol.reference == "cross-identity":
            del inputs["_target"]
        for role, frame in inputs.items():
            _save(run / "pictures" / role / f"{pair}.png", frame)
        for model in manifest.labels:
            noise = rng.normal(0, 0 if model == "copy-target" else 14, (side, side, 3))
            frame = np.clip(inputs.get("_target", inputs["_source"]) + noise, 0, 255).astype(np.uint8)
            failed = samples.query("model == @model and pair == @pair")["status"].iloc[0] == "failed"
            if not failed:
                _save(run / "pictures" / safe_name(model) / f"{pair}.png", frame)


def _face(rng: np.random.Generator, side: int) -> np.ndarray:
    """Something with a head, two eyes and a mouth."""
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    shift, skin = rng.uniform(-0.1, 0.1, 2), rng.integers(120, 230)
    frame = np.full((side, side, 3), rng.integers(20, 120, 3), np.uint8)
    frame[((x - shift[0]) / 0.55) ** 2 + ((y - shift[1]) / 0.75) ** 2 < 1] = (skin, skin * 0.8, skin * 0.7)
    for eye in (-0.22, 0.22):
        frame[(x - shift[0] - eye) ** 2 + (y - shift[1] + 0.15) ** 2 < 0.006] = 20
    frame[((x - shift[0]) / 0.25) ** 2 + ((y - shift[1] - 0.35) / rng.uniform(0.03, 0.12)) ** 2 < 1] = (120, 30, 40)
    return frame


def _save(file: Path, frame: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(frame).save(file)
