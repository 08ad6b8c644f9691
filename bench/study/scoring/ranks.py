"""Rank correlations with their spread over draws, and the mapping of ITU-T P.1401."""

from __future__ import annotations

import numpy as np
from scipy import stats

from bench.study.scoring.panel import CONFIDENCE
from reports.schema.study_score import Interval

CUBIC = 20  # points from which the mapping is of third order
FEWEST = 3  # least number of points for a correlation
FULL = 0.9999  # largest absolute correlation in Fisher's z


def mapped(x: np.ndarray, y: np.ndarray) -> tuple[str, float | None, float | None]:
    """Map a metric to opinions, and return Pearson's r and RMSE after it, as in ITU-T P.1401.

    Of third order from `CUBIC` points on if it is monotonic over them, else linear. The RMSE divides by the points less
    the parameters of the mapping; None where none are left.
    """
    z = (x - x.mean()) / (x.std() or 1.0)
    name, fitted = "linear", np.polyfit(z, y, 1)
    if len(z) >= CUBIC and len(np.unique(z)) > 4:
        cubic = np.polyfit(z, y, 3)
        slopes = np.polyval(np.polyder(cubic), np.linspace(z.min(), z.max(), 200))
        if (slopes >= 0).all() or (slopes <= 0).all():
            name, fitted = "cubic", cubic
    to = np.polyval(fitted, z)
    left = len(y) - len(fitted)
    rmse = float((np.square(y - to).sum() / left) ** 0.5) if left > 0 else None
    turned = 1.0 if fitted[0] >= 0 or name == "cubic" else -1.0
    pearson = float(turned * np.corrcoef(to, y)[0, 1]) if to.std() > 1e-12 and y.std() > 0 else None
    if name == "cubic" and pearson is not None and to[np.argmax(z)] < to[np.argmin(z)]:
        pearson = -pearson
    return name, pearson, rmse


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Return Spearman's rank correlation of P points; NaN where one side is constant."""
    x, y = stats.rankdata(x), stats.rankdata(y)
    return float(np.corrcoef(x, y)[0, 1]) if x.std() > 0 and y.std() > 0 else float("nan")


def tau(x: np.ndarray, y: np.ndarray) -> float:
    """Return Kendall's tau-b of P points."""
    return float(stats.kendalltau(x, y).statistic)


def drawn_spearman(x: np.ndarray, drawn: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the correlation of each draw ``(n,)``: points weighted by `times`, without those lacking an opinion."""
    weights = np.where(np.isfinite(drawn), times, 0.0)
    weights[(weights > 0).sum(1) < FEWEST] = np.nan
    of_x = weights @ ((x[:, None] < x) + 0.5 * (x[:, None] == x))
    of_y = np.array([_midranks(row, weight) for row, weight in zip(np.nan_to_num(drawn), weights)])
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = weights / weights.sum(1, keepdims=True)
        a, b = (ranks - (shares * ranks).sum(1, keepdims=True) for ranks in (of_x, of_y))
        return (shares * a * b).sum(1) / ((shares * a**2).sum(1) * (shares * b**2).sum(1)) ** 0.5


def _midranks(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weight below each value, plus half of that of its equals."""
    places = np.unique(values, return_inverse=True)[1]
    together = np.bincount(places, weights)
    return (np.cumsum(together) - together / 2)[places]


def drawn_tau(x: np.ndarray, drawn: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return tau-b of each draw ``(n,)``, with points weighted by `times`."""
    of_x = np.sign(x[:, None] - x)
    taus = np.full(len(drawn), np.nan)
    for place, (row, count) in enumerate(zip(drawn, times)):
        weight = np.where(np.isfinite(row), count, 0.0)
        row = np.nan_to_num(row)
        of_y = np.sign(row[:, None] - row)
        size = (weight @ of_x**2 @ weight) * (weight @ of_y**2 @ weight)
        if size > 0:
            taus[place] = weight @ (of_x * of_y) @ weight / size**0.5
    return taus


def fisher(value: float, drawn: np.ndarray) -> Interval:
    """Return a correlation with its 95 % interval, as wide as the spread of Fisher's z over the draws."""
    z, around = (np.arctanh(np.clip(one, -FULL, FULL)) for one in (value, drawn[np.isfinite(drawn)]))
    half = normal() * float(around.std()) if len(around) > 1 else np.nan
    return interval(value, np.tanh(z - half), np.tanh(z + half))


def interval(value: float, low: float, high: float) -> Interval:
    """Return an interval; infinite or undefined ends become None."""
    ends = (float(end) if np.isfinite(end) else None for end in (low, high))
    return Interval(value=value, low=next(ends), high=next(ends))


def normal() -> float:
    """Return half the width of a 95 % interval of a normal distribution, in standard deviations."""
    return float(stats.norm.ppf((1 + CONFIDENCE) / 2))
