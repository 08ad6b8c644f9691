"""Compute parts of ``summary.json``: a model's row, a comparison of two, a ranking (rules: `bench.stats.summary`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from reports.schema.manifest import MetricEntry
from reports.schema.summary import CONFIDENCE, Comparison, Ranking, Row

Interval = tuple[float | None, float | None]


class PValues(NamedTuple):
    """p-values of one mean difference: over identities, the smallest possible one of this test, and over pairs."""

    p: float
    p_smallest: float
    p_pair: float


class Moments(NamedTuple):
    """Return mean, sample standard deviation, and Student's interval of the mean; None for too few values."""

    mean: float | None
    std: float | None = None
    low: float | None = None
    high: float | None = None


def model_row(table: pd.DataFrame, model: str, metric: MetricEntry, interval: Interval) -> Row:
    """Return a model's row on a metric. table: pairs × models, NaN where failed. interval: from `intervals`."""
    values = table[model].to_numpy(float)
    measured = values[~np.isnan(values)]
    moments = _moments(measured[np.isfinite(measured)])
    low, high = _known(interval, moments)
    others = table.dropna(axis="columns", how="all").dropna()
    common = others[model].to_numpy(float) if model in others else np.array([])
    worst_value = _worst(table, metric)
    penalised = np.where(np.isnan(values), worst_value, values)
    return Row(
        model=model,
        metric=metric.name,
        n=len(measured),
        n_total=len(values),
        failed=len(values) - len(measured),
        failure_rate=(len(values) - len(measured)) / len(values),
        n_infinite=int(np.isinf(measured).sum()),
        mean=moments.mean,
        median=finite_or_none(np.median(measured)) if len(measured) else None,
        std=moments.std,
        ci_low=_cut(low, metric),
        ci_high=_cut(high, metric),
        ci_pair_low=_cut(moments.low, metric),
        ci_pair_high=_cut(moments.high, metric),
        mean_penalised=_mean(penalised),
        mean_common=_mean(common),
        n_common=len(common),
    )


def _known(interval: Interval, moments: Moments) -> Interval:
    """Return the interval, or None for a single value: resampling repeats it, and a zero width would look certain."""
    return (None, None) if moments.std is None else interval


def _cut(bound: float | None, metric: MetricEntry) -> float | None:
    """Clip a bound to the metric's range, which a wide interval of a small mean may exceed."""
    return None if bound is None else float(np.clip(bound, *_bounds(metric)))


def _bounds(metric: MetricEntry) -> tuple[float, float]:
    if metric.bounds is None:  # a manifest of an earlier release; a late import, since it loads torch
        from bench.metrics.families import bounds

        return bounds(metric.family)
    low, high = metric.bounds
    return -np.inf if low is None else low, np.inf if high is None else high


def _worst(table: pd.DataFrame, metric: MetricEntry) -> float:
    """Return a failed pair's value in the penalized mean: the worst finite value of any model in the run."""
    finite = table.to_numpy(float)
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        return np.nan
    return float(finite.min() if metric.higher_is_better else finite.max())


def comparison(
    table: pd.DataFrame,
    duel: tuple[str, str],
    metric: MetricEntry,
    interval: Interval,
    chances: PValues,
    p_holm: float,
    family: int,
) -> Comparison:
    """Compare two models on the pairs where both were measured. p_holm: adjusted over `family` comparisons."""
    a, b = (table[model].to_numpy(float) for model in duel)
    both = ~(np.isnan(a) | np.isnan(b))
    a, b = a[both], b[both]
    with np.errstate(invalid="ignore"):
        difference = (a - b)[np.isfinite(a - b)]
    moments = _moments(difference)
    low, high = _known(interval, moments)
    sign = 1 if metric.higher_is_better else -1
    wins = (sign * a > sign * b) + 0.5 * (a == b)
    mean, std = moments.mean, moments.std
    return Comparison(
        metric=metric.name,
        a=duel[0],
        b=duel[1],
        n=len(a),
        n_infinite=len(a) - len(difference),
        difference=mean,
        ci_low=low,
        ci_high=high,
        ci_pair_low=moments.low,
        ci_pair_high=moments.high,
        better=duel[0 if sign * mean > 0 else 1] if mean else None,
        win_rate=float(wins.mean()) if len(wins) else None,
        effect_size=mean / std if mean is not None and std else None,
        **chances._asdict(),
        p_holm=p_holm,
        family=family,
    )


def _moments(values: np.ndarray) -> Moments:
    mean = _mean(values)
    if mean is None or len(values) < 2:
        return Moments(mean)
    std = float(values.std(ddof=1))
    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, len(values) - 1)) * std / len(values) ** 0.5
    return Moments(mean, std, mean - half, mean + half)


def ranking(rows: Sequence[Row], metric: MetricEntry, ranked: Sequence[str]) -> Ranking:
    """Return the order of the models by mean, and where failures change it."""
    sign = -1 if metric.higher_is_better else 1
    own = [row for row in rows if row.metric == metric.name and row.model in ranked and row.n]

    def levels(key: str) -> list[list[str]]:
        means = {row.model: getattr(row, key) for row in own}
        scores = {model: sign * (np.inf if mean is None else mean) for model, mean in means.items()}
        return [[model for model in scores if scores[model] == score] for score in sorted(set(scores.values()))]

    by_mean = levels("mean")
    keys = [key for key in ("mean_common", "mean_penalised") if any(getattr(row, key) is not None for row in own)]
    others = {key: levels(key) for key in keys}
    order, *orders = ([model for level in found for model in level] for found in (by_mean, *others.values()))
    best = by_mean[0] if len(own) > 1 else []
    return Ranking(
        order=tuple(order),
        best=tuple(best),
        second=tuple(by_mean[1]) if len(by_mean) > 1 and len(best) == 1 else (),
        stable=all(set(found[0]) == set(by_mean[0]) for found in others.values()),
        otherwise={key: tuple(other) for key, other in zip(keys, orders) if other != order},
    )


def _mean(values: np.ndarray) -> float | None:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else None


def finite_or_none(value: float) -> float | None:
    """Convert to a float; None for NaN and infinity, which JSON does not have."""
    return float(value) if np.isfinite(value) else None
