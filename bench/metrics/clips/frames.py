"""Shared by clip metrics: frames with a value on both sides, the mean over them, the worst second."""

from __future__ import annotations

import numpy as np

from bench.metrics.clips.base import ClipValue

SECOND = 1.0  # length of the window of the worst second


def valid(*tracks: np.ndarray) -> np.ndarray:
    """Return ``(N,)`` bool: frames for which every track ``(N, ...)`` has only finite values."""
    return np.logical_and.reduce([np.isfinite(track.reshape(len(track), -1)).all(1) for track in tracks])


def mean_of(values: np.ndarray, expected: int, reason: str = "no face in any frame of both clips") -> ClipValue:
    """Return the mean over the frames that have a value. expected: number of frames that should have one."""
    known = values[np.isfinite(values)]
    if not len(known):
        return ClipValue.none(reason, expected)
    return ClipValue(float(known.mean()), None, len(known), expected - len(known))


def steps(track: np.ndarray, times: np.ndarray, order: int = 1) -> np.ndarray:
    """Return the differences per second of a track ``(N, ...)``, ``(N - order, ...)``; NaN where a frame has none.

    order: 1 for its velocity, 2 for its acceleration.
    """
    for _ in range(order):
        gaps = np.diff(times).reshape(-1, *[1] * (track.ndim - 1))
        track, times = np.diff(track, axis=0) / gaps, (times[1:] + times[:-1]) / 2
    return track


def worst_second(values: np.ndarray, times: np.ndarray, higher_is_better: bool) -> tuple[float, float]:
    """Return when the worst second of a curve begins, and the mean over it; NaN where the curve has no values.

    values: ``(N,)``, NaN where a frame has none. times: ``(N,)`` seconds, ascending. A second begins at a frame and has
    all frames before its end. Seconds that extend beyond the last frame are left out, unless the whole clip is shorter.
    The first of equal ones is returned.
    """
    known = np.isfinite(values)
    if not known.any():
        return float("nan"), float("nan")
    sums = np.concatenate([[0.0], np.cumsum(np.where(known, values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(known)])
    stops = np.searchsorted(times, times + SECOND - 1e-9)
    usual = usual_gap(times) if len(times) > 1 else SECOND
    starts = np.flatnonzero(times + SECOND <= times[-1] + usual + 1e-9)
    starts = starts if len(starts) else np.array([0])
    n = counts[stops[starts]] - counts[starts]
    with np.errstate(invalid="ignore", divide="ignore"):
        means = (sums[stops[starts]] - sums[starts]) / n
    if not np.isfinite(means).any():
        return float("nan"), float("nan")
    at = int(np.nanargmin(means) if higher_is_better else np.nanargmax(means))
    return float(times[starts[at]]), float(means[at])


def usual_gap(times: np.ndarray) -> float:
    """Return the average duration of a frame, in seconds."""
    return float((times[-1] - times[0]) / (len(times) - 1))
