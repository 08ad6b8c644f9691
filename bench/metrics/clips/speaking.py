"""What lip-sync metrics share: is the clip silent, how far are the lips open, does the sound predict that."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter1d

from protocols.sound import Sound

SILENT = 32  # of 32768; -60 dB
GRID = 0.04  # seconds
LAGS = np.round(np.arange(-15, 16) * GRID, 2)
CONTEXT = (-GRID, 0.0, GRID)
TREND = 1.0  # seconds to the nearest frame with a face
NEAR = 0.1  # seconds to the nearest frame with a face
LIPS = ((61, 67), (62, 66), (63, 65))


def silent(sound: Sound, times: np.ndarray) -> bool:
    """Return whether the sound is silent while the clip is shown."""
    samples = sound.cut(0.0, round((float(times[-1]) + GRID) * sound.rate))
    return int(np.abs(samples.astype(np.int32)).max(initial=0)) <= SILENT


def lip_opening(landmarks: np.ndarray) -> np.ndarray:
    """Return the inner lip gap over the eye distance ``(N,)`` from 68 points ``(N, 68, 2)``; NaN without a face."""
    eyes = np.linalg.norm(landmarks[:, 36:42].mean(1) - landmarks[:, 42:48].mean(1), axis=1)
    return np.mean([np.linalg.norm(landmarks[:, a] - landmarks[:, b], axis=1) for a, b in LIPS], axis=0) / eyes


def on_grid(times: np.ndarray, opening: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return times and opening at 25 per second ``(n,)``, smoothed over three, and whether a face is near."""
    known, grid = times[np.isfinite(opening)], np.arange(0, times[-1], GRID)
    even = uniform_filter1d(np.interp(grid, known, opening[np.isfinite(opening)]), 3, mode="nearest")
    after = np.searchsorted(known, grid).clip(0, len(known) - 1)
    near = np.minimum(np.abs(known[after] - grid), np.abs(known[np.maximum(after - 1, 0)] - grid)) <= NEAR
    return grid, even, near


def without_trend(rows: np.ndarray, rate: float) -> np.ndarray:
    """Subtract the moving average over a second from rows, along the first axis."""
    trend = uniform_filter1d(rows, round(TREND * rate / 2) * 2 + 1, axis=0, mode="mirror")
    return np.subtract(rows, trend, out=trend)


def lag_curve(times: np.ndarray, opening: np.ndarray, clock: np.ndarray, rows: np.ndarray, ridge: float) -> np.ndarray:
    """Return the correlation ``(31,)`` of the opening ``(n,)`` with its prediction from speech at each of `LAGS`.

    clock, rows: evenly spaced times ``(m,)`` of speech features ``(m, F)``. A positive lag means that the sound is
    late. Predictions are those of a ridge regression on three rows, 40 ms apart, fitted on one half of the clip for the
    other; the mean over both halves. NaN where speech and lips overlap by less than a second.
    """
    found = []
    for lag in LAGS:
        at = times + lag
        use = (at >= clock[0]) & (at <= clock[-1])
        enough = use.sum() * GRID >= 1
        found.append(halves(surroundings(at[use], clock, rows), opening[use], ridge) if enough else np.nan)
    return np.array(found)


def surroundings(at: np.ndarray, clock: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return features at `at` and around, linear between rows, ``(n, 3 F)``; float32, to save memory for long clips."""
    step = clock[1] - clock[0]
    parts = []
    for shift in CONTEXT:
        place = ((at + shift - clock[0]) / step).clip(0, len(rows) - 1)
        low = np.floor(place).astype(int).clip(0, len(rows) - 2)
        share = (place - low)[:, None].astype(np.float32)
        parts.append(rows[low] * (1 - share) + rows[low + 1] * share)
    return np.concatenate(parts, axis=1, dtype=np.float32)


def halves(x: np.ndarray, y: np.ndarray, ridge: float) -> float:
    """Return the mean of `judged` over both halves of a clip, each fitted on the other one."""
    parts = slice(None, len(y) // 2), slice(len(y) // 2, None)
    return float(np.mean([judged(x[a], y[a], x[b], y[b], ridge) for a, b in (parts, parts[::-1])]))


def judged(x: np.ndarray, y: np.ndarray, other: np.ndarray, truth: np.ndarray, ridge: float) -> float:
    """Fit on x and y; return the correlation of the prediction from `other` with `truth`, 0 where one is constant."""
    mean, spread = x.mean(0), np.sqrt(x.var(0).mean()) + 1e-12  # one scale: small columns are not amplified
    scaled, wanted, penalty = (x - mean) / spread, y - y.mean(), ridge * len(x)
    if len(x) < x.shape[1]:
        weights = scaled.T @ np.linalg.solve((scaled @ scaled.T).astype(float) + penalty * np.eye(len(x)), wanted)
    else:
        gram = (scaled.T @ scaled).astype(float)
        weights = np.linalg.solve(gram + penalty * np.eye(x.shape[1]), scaled.T @ wanted)
    predicted = (other - mean) / spread @ weights
    if predicted.std() < 1e-12 or truth.std() < 1e-12:
        return 0.0
    return float(np.corrcoef(predicted, truth)[0, 1])


def weighted_auc(values: np.ndarray, high: np.ndarray, low: np.ndarray) -> float:
    """Return how often a value drawn by `high` exceeds one drawn by `low` (weights ``(n,)``); ties count half."""
    _, place = np.unique(values, return_inverse=True)
    above, below = np.bincount(place, high), np.bincount(place, low)
    return float((above * (np.cumsum(below) - 0.5 * below)).sum() / (high.sum() * low.sum()))
