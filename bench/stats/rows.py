"""The parts of ``summary.json``: a model's row, a comparison of two models, a ranking; rules: `bench.stats.summary`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

CONFIDENCE = 0.95
Interval = tuple[float | None, float | None]


def model_row(table: pd.DataFrame, model: str, metric: Mapping[str, Any], interval: Interval) -> dict[str, Any]:
    """One model on one metric. table: pairs × models, NaN where failed. interval: from `bench.stats.intervals`."""
    values = table[model].to_numpy(float)
    measured = values[~np.isnan(values)]
    moments = _moments(measured[np.isfinite(measured)])
    others = table.dropna(axis="columns", how="all").dropna()
    common = others[model].to_numpy(float) if model in others else np.array([])
    worst_value = _worst(table, metric)
    penalised = np.where(np.isnan(values), worst_value, values)
    return {
        "model": model,
        "metric": metric["name"],
        "n": len(measured),
        "n_total": len(values),
        "failed": len(values) - len(measured),
        "failure_rate": (len(values) - len(measured)) / len(values),
        "n_infinite": int(np.isinf(measured).sum()),
        "mean": moments["mean"],
        "median": finite_or_none(np.median(measured)) if len(measured) else None,
        "std": moments["std"],
        "ci_low": _cut(interval[0], metric),
        "ci_high": _cut(interval[1], metric),
        "ci_pair_low": _cut(moments["low"], metric),
        "ci_pair_high": _cut(moments["high"], metric),
        "mean_penalised": _mean(penalised),
        "mean_common": _mean(common),
        "n_common": len(common),
    }


def _cut(bound: float | None, metric: Mapping[str, Any]) -> float | None:
    """A wide interval of a small mean reaches where no value can be."""
    return None if bound is None else float(np.clip(bound, *_bounds(metric)))


def _bounds(metric: Mapping[str, Any]) -> tuple[float, float]:
    if "bounds" not in metric:  # a manifest of an earlier release; not at the top, since it brings torch along
        from bench.metrics.families import bounds

        return bounds(metric.get("family"))
    low, high = metric["bounds"]
    return -np.inf if low is None else low, np.inf if high is None else high


def _worst(table: pd.DataFrame, metric: Mapping[str, Any]) -> float:
    """What a failed pair costs in the penalised mean: the worst finite value that any model of the run got."""
    finite = table.to_numpy(float)
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        return np.nan
    return float(finite.min() if metric["higher_is_better"] else finite.max())


def comparison(
    table: pd.DataFrame,
    duel: tuple[str, str],
    metric: Mapping[str, Any],
    interval: Interval,
    chances: Mapping[str, float],
) -> dict[str, Any]:
    """Two models on one metric, where both were measured. chances: their p-values by name."""
    a, b = (table[model].to_numpy(float) for model in duel)
    both = ~(np.isnan(a) | np.isnan(b))
    a, b = a[both], b[both]
    with np.errstate(invalid="ignore"):
        difference = (a - b)[np.isfinite(a - b)]
    moments = _moments(difference)
    sign = 1 if metric["higher_is_better"] else -1
    wins = (sign * a > sign * b) + 0.5 * (a == b)
    mean, std = moments["mean"], moments["std"]
    return {
        "metric": metric["name"],
        "a": duel[0],
        "b": duel[1],
        "n": len(a),
        "n_infinite": len(a) - len(difference),
        "difference": mean,
        "ci_low": interval[0],
        "ci_high": interval[1],
        "ci_pair_low": moments["low"],
        "ci_pair_high": moments["high"],
        "better": duel[0 if sign * mean > 0 else 1] if mean else None,
        "win_rate": float(wins.mean()) if len(wins) else None,
        "effect_size": mean / std if std else None,
        **chances,
    }


def _moments(values: np.ndarray) -> dict[str, float | None]:
    """Mean, sample standard deviation, and Student's interval of the mean."""
    mean = _mean(values)
    if len(values) < 2:
        return {"mean": mean, "std": None, "low": None, "high": None}
    std = float(values.std(ddof=1))
    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, len(values) - 1)) * std / len(values) ** 0.5
    return {"mean": mean, "std": std, "low": mean - half, "high": mean + half}


def ranking(rows: Sequence[Mapping[str, Any]], metric: Mapping[str, Any], ranked: Sequence[str]) -> dict[str, Any]:
    """Order of the models by mean, and where failures decide about it.

    ``stable``: the same are best on common pairs and with failures penalised. ``otherwise``: the order by each of these
    means by which it is another one.
    """
    sign = -1 if metric["higher_is_better"] else 1
    own = [row for row in rows if row["metric"] == metric["name"] and row["model"] in ranked and row["n"]]

    def levels(key: str) -> list[list[str]]:
        scores = {row["model"]: sign * (row[key] if row[key] is not None else np.inf) for row in own}
        return [[model for model in scores if scores[model] == score] for score in sorted(set(scores.values()))]

    by_mean = levels("mean")
    keys = [key for key in ("mean_common", "mean_penalised") if any(row[key] is not None for row in own)]
    others = {key: levels(key) for key in keys}
    order, *orders = ([model for level in found for model in level] for found in (by_mean, *others.values()))
    best = by_mean[0] if len(own) > 1 else []
    return {
        "order": order,
        "best": best,
        "second": by_mean[1] if len(by_mean) > 1 and len(best) == 1 else [],
        "stable": all(set(found[0]) == set(by_mean[0]) for found in others.values()),
        "otherwise": {key: other for key, other in zip(keys, orders) if other != order},
    }


def _mean(values: np.ndarray) -> float | None:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else None


def finite_or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
