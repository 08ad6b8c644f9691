"""Intervals of means over clustered pairs: the shape of the nested bootstrap, the width of the spread between people.

The bootstrap alone does not have its nominal coverage (docs/statistics.md has the simulation). With few people its
percentiles are too close: n people drawn from n vary by (n - 1)/n of what they should, and a normal quantile is used
where Student's is needed. With many pairs per person they are too wide: the variation of pairs is drawn again at every
level although the means of people already include it. Both are errors of width, so the width is replaced and the skew
is kept.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from bench.stats.columns import Columns
from bench.stats.resampling import Hierarchy, resamples, sums_by, weighted_means

ONE_PERSON = 1.5  # effective identities; with fewer, the spread between people cannot be estimated


def intervals(
    values: np.ndarray | Columns,
    source: Hierarchy,
    driving: Hierarchy,
    n: int,
    confidence: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return intervals ``(2, C)`` of the means of the finite values in each column of `values` ``(N, C)``.

    Percentiles of `n` resamples, the same ones for all columns, scaled about the mean so that their standard deviation
    is that of `spread_between_people` times Student's quantile over the normal one (degrees of freedom: effective
    identities less one, at least one). Not scaled where one person has nearly all pairs, or where people do not differ
    at all. NaN where nothing is finite. Bounds may be outside a metric's range.
    """
    columns = Columns.of(values)
    means = weighted_means(columns, resamples(source, driving, n, rng))
    bounds = [
        _intervals(part, means[:, places], source, driving, (1 - confidence) / 2) for places, part in columns.parts()
    ]
    return np.concatenate(bounds, axis=1) if bounds else np.empty((2, 0))


def _intervals(values: np.ndarray, means: np.ndarray, source: Hierarchy, driving: Hierarchy, tail: float) -> np.ndarray:
    """Return `intervals` for some of the columns. means: ``(n, C)`` of the resamples. tail: outside on each side."""
    error, people = spread_between_people(values, source, driving)
    student = stats.t.ppf(1 - tail, np.maximum(people - 1, 1)) / stats.norm.ppf(1 - tail)
    bounds = np.full((2, values.shape[1]), np.nan)
    for place, drawn in enumerate(means.T):
        drawn = drawn[np.isfinite(drawn)]  # a resample may have no finite value of a column
        if not len(drawn):
            continue
        bounds[:, place] = np.quantile(drawn, [tail, 1 - tail])
        spread = drawn.std()
        if people[place] >= ONE_PERSON and error[place] > 1e-9 * spread > 0:
            column = values[:, place]
            mean = column[np.isfinite(column)].mean()
            bounds[:, place] = mean + (bounds[:, place] - mean) * student[place] * error[place] / spread
    return bounds


def spread_between_people(values: np.ndarray, source: Hierarchy, driving: Hierarchy) -> tuple[np.ndarray, np.ndarray]:
    """Return the standard error of each column's mean over identities ``(C,)``, and their number ``(C,)``.

    The cluster-robust variance of a mean, sum over people of (sum over their pairs of x - mean)^2 / N^2, times E / (E -
    1) for E effective identities; in crossed lists V_source + V_driving - V_cell, at least the larger of the two
    (Cameron, Gelbach and Miller, Journal of Business & Economic Statistics 29(2), 2011), with the E of the side that
    has fewer. A side of one person is ignored. In a balanced list of one side this is the sample standard deviation of
    the people's means over the root of their number.
    """
    finite = np.isfinite(values)
    n = np.maximum(finite.sum(0), 1)
    filled = np.where(finite, values, 0.0)
    residuals = np.where(finite, filled - filled.sum(0) / n, 0.0) / n

    def side(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        people = 1 / np.maximum(np.square(sums_by(labels, finite / n)).sum(0), 1e-300)
        return np.where(people >= ONE_PERSON, np.square(sums_by(labels, residuals)).sum(0), 0.0), people

    variance, people = side(driving.identity)
    if not np.array_equal(source.identity, driving.identity):
        cells = np.unique(source.identity * len(driving.videos) + driving.identity, return_inverse=True)[1]
        other, others = side(source.identity)
        together = np.where((variance > 0) & (other > 0), variance + other - side(cells)[0], 0.0)
        variance = np.max([variance, other, together], axis=0)
        fewer, more = np.minimum(people, others), np.maximum(people, others)
        people = np.where(fewer >= ONE_PERSON, fewer, more)
    return np.sqrt(variance * people / np.maximum(people - 1, 0.5)), people
