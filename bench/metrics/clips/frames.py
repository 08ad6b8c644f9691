"""What definitions of clips share: which frames have a value on both sides, and a value from their numbers."""

from __future__ import annotations

import numpy as np

from bench.metrics.clips.base import ClipValue


def valid(*tracks: np.ndarray) -> np.ndarray:
    """``(N,)`` bool: frames for which every track ``(N, ...)`` has finite values throughout."""
    return np.logical_and.reduce([np.isfinite(track.reshape(len(track), -1)).all(1) for track in tracks])


def mean_of(values: np.ndarray, asked: int, reason: str = "no face in any frame of both clips") -> ClipValue:
    """The mean of the frames that have a value; asked: frames that should have had one."""
    known = values[np.isfinite(values)]
    if not len(known):
        return ClipValue.none(reason, asked)
    return ClipValue(float(known.mean()), None, len(known), asked - len(known))


def steps(track: np.ndarray, times: np.ndarray, order: int = 1) -> np.ndarray:
    """Differences of a track ``(N, ...)`` a second, ``(N - order, ...)``; NaN where a frame that they need has none.

    order: 1 for its velocity, 2 for its acceleration.
    """
    for _ in range(order):
        gaps = np.diff(times).reshape(-1, *[1] * (track.ndim - 1))
        track, times = np.diff(track, axis=0) / gaps, (times[1:] + times[:-1]) / 2
    return track
