"""Compute a clip's row from the rows of its frames: means, failures, the worst second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from bench.metrics.base import Definition
from bench.metrics.clips.base import ClipDefinition, ClipValue
from bench.metrics.clips.frames import usual_gap, worst_second
from protocols.clips import Clip

COUNTS = ("frames", "frames_failed", "n", "failed", "infinite")  # columns that count frames, or their suffixes


def clip_row(
    clip: Clip,
    frames: pd.DataFrame,
    definitions: Sequence[Definition],
    values: Sequence[tuple[ClipDefinition, ClipValue]],
    cut: str | None,
    picture_time: float,
) -> dict[str, Any]:
    """Return the row of one clip of one model.

    frames: a row per requested frame, in order: ``status``, ``error``, ``seconds``, ``time``, ``model``, ``anchor``,
    and of each pair metric its value and ``.reason``. values: of the clip metrics. cut: in words, why later frames were
    left out; None if none were. picture_time: time of the frame that represents the clip in pictures, seconds.

    For each pair metric: the mean over the frames that have a finite value, ``.n`` of them, ``.failed`` without a
    value, ``.infinite`` that are infinite (two frames of equal pixels have an infinite PSNR; if all are, so is the
    mean), ``.worst`` and ``.worst_second``: mean over the worst second and its begin. For each clip metric: its value,
    ``.n``, ``.failed`` and its definition's `extra`, NaN where the clip has no value.
    """
    first, times = frames.iloc[0], frames["time"].to_numpy(float)
    failed = frames[frames["status"] == "failed"]
    made = len(frames) - len(failed)
    error = cut if not made and cut else _failures(failed, len(frames))
    row: dict[str, Any] = {
        "pair": clip.id,
        "model": first["model"],
        "source_identity": clip.source_identity,
        "driving_identity": clip.driving_identity,
        "source": str(clip.source),
        "driving": str(clip.driving),
        "target": None if clip.target is None else str(clip.target),
        "anchor": _text(first["anchor"]),
        "alpha": 1.0,
        "beta": 1.0,
        "start": clip.start,
        "end": np.nan if clip.end is None else clip.end,
        "rate": np.nan if clip.rate is None else clip.rate,
        "status": "ok" if made else "failed",
        "error": error,
        "seconds": float(frames["seconds"].sum()),
        "frames": len(frames),
        "frames_failed": len(failed),
        "length": _length(times),
        "cut": cut,
        "picture_time": picture_time,
    }
    for definition in definitions:
        row |= _mean(definition, frames, times)
    for one, value in values:
        name = one.name
        row |= {name: value.value, f"{name}.reason": value.reason, f"{name}.n": value.n, f"{name}.failed": value.failed}
        row |= {f"{name}.{extra}": float(value.extra.get(extra, np.nan)) for extra in one.extra}
    return row


def _text(value: object) -> str | None:
    """Return a cell of a text column; None for a missing one, which may be NaN."""
    return value if isinstance(value, str) else None


def _length(times: np.ndarray) -> float:
    """Return the seconds from the first frame to the end of the last, shown as long as the others; 0 for one frame."""
    return float(times[-1] - times[0] + usual_gap(times)) if len(times) > 1 else 0.0


def _failures(failed: pd.DataFrame, n: int) -> str | None:
    if not len(failed):
        return None
    return f"{len(failed)} of {n} frames failed: {failed['error'].iloc[0]}"


def _mean(definition: Definition, frames: pd.DataFrame, times: np.ndarray) -> dict[str, Any]:
    name = definition.name
    values = frames[name].to_numpy(float)
    finite, infinite = np.isfinite(values), np.isinf(values)
    found = {f"{name}.n": int(finite.sum()), f"{name}.failed": int(np.isnan(values).sum())}
    found[f"{name}.infinite"] = int(infinite.sum())
    if finite.any():
        mean, reason = float(values[finite].mean()), None
    elif infinite.any():
        mean, reason = float(values[infinite].mean()), None
    else:
        reasons = frames[f"{name}.reason"].dropna()
        mean, reason = float("nan"), str(reasons.iloc[0]) if len(reasons) else "no frame has a value"
    begin, worst = worst_second(np.where(finite, values, np.nan), times, definition.higher_is_better)
    return {name: mean, f"{name}.reason": reason, **found, f"{name}.worst": worst, f"{name}.worst_second": begin}
