"""Set metrics in a run's summary: a value per model, its interval over people, differences, and the floor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from bench.metrics.sets.base import Estimate, Features, SetDefinition
from bench.metrics.sets.catalogue import SET_DEFINITIONS
from bench.metrics.sets.estimates import FEWEST
from bench.rundir.directory import REAL
from bench.stats.rows import finite_or_none, ranking
from reports.schema.manifest import MetricEntry
from reports.schema.summary import CONFIDENCE, Floor, Row, SetComparison, Summary

RESAMPLES = 1000
# From a kind of network and a model, or `REAL`, to the rows that `RunDirectory.write_features` wrote.
Read = Callable[[str, str], pd.DataFrame]


def added(summary: Summary, metrics: Sequence[MetricEntry], read: Read) -> Summary:
    """Return a run's summary with its set metrics; unchanged without any."""
    chosen = [metric for metric in metrics if metric.shape == "set" and metric.applies]
    for kind in dict.fromkeys(metric.detector for metric in chosen):
        assert kind is not None  # of every set metric
        rows = read(kind, REAL)
        real = features(rows)
        made = [features(read(kind, model)) for model in summary.models]
        for metric in chosen:
            if metric.detector == kind:
                summary = _with(summary, metric, made, real, len(rows))
    return summary


def _with(summary: Summary, metric: MetricEntry, made: Sequence[Features], real: Features, wanted: int) -> Summary:
    definition = SET_DEFINITIONS[metric.name]
    found = definition.distance(made, real, RESAMPLES, summary.seed)
    rows = [_row(*each, metric, wanted) for each in zip(summary.models, made, found)]
    ranked = [model for model in summary.models if model not in summary.bounds]
    by_model = dict(zip(summary.models, found))
    pairs = combinations(ranked, 2)
    return summary.but(
        rows=(*summary.rows, *rows),
        ranking={**summary.ranking, metric.name: ranking(rows, metric, ranked)},
        notices=(*summary.notices, *_notices(definition, summary.models, made, real)),
        set_comparisons=(
            *summary.set_comparisons,
            *(comparison(metric, a, b, by_model[a], by_model[b]) for a, b in pairs),
        ),
        floors=(*summary.floors, floor(definition, metric, real, summary.seed)),
    )


def floor(definition: SetDefinition, metric: MetricEntry, real: Features, seed: int) -> Floor:
    """Return the distance between two halves of the real side, without a video in both."""
    first = halves(real.videos, seed)
    one, other = real[first], real[~first]
    (found,) = definition.distance([one], other, RESAMPLES, seed)
    bounds = metric.bounds or (None, None)
    value, low, high = (
        _cut(one, *bounds) for one in (finite_or_none(found.value), *interval(found.value, found.resampled))
    )
    n = min(len(one.values), len(other.values))
    return Floor(metric=definition.name, value=value, ci_low=low, ci_high=high, n=n)


def halves(videos: np.ndarray, seed: int) -> np.ndarray:
    """Return whether each row ``(n,)`` is in the first half: shuffled videos, each to the half with fewer rows."""
    names, places, rows = np.unique(videos, return_inverse=True, return_counts=True)
    first, sizes = np.zeros(len(names), bool), [0, 0]
    for video in np.random.default_rng(seed).permutation(len(names)):
        first[video] = sizes[0] <= sizes[1]
        sizes[1 - int(first[video])] += int(rows[video])
    return first[places]


def interval(value: float, resampled: np.ndarray) -> tuple[float | None, float | None]:
    """Return the value's interval, from quantiles of the resamples' deviations from their own mean.

    A resample repeats people, and a Fréchet distance is larger for fewer different rows; without subtracting their mean
    the resamples would be above the value. None where fewer than half of the resamples have one.
    """
    finite = resampled[np.isfinite(resampled)]
    if len(finite) < max(2, len(resampled) / 2) or not np.isfinite(value):
        return None, None
    tail = (1 - CONFIDENCE) / 2
    low, high = value + np.quantile(finite - finite.mean(), [tail, 1 - tail])
    return float(low), float(high)


def features(rows: pd.DataFrame) -> Features:
    """Convert rows of `RunDirectory.features` to the input of distances.

    A real frame used in several pairs counts once: copies would count as similarity among real frames.
    """
    rows = rows.drop_duplicates("frame") if "frame" in rows else rows
    values = np.stack(rows["features"].to_list()) if len(rows) else np.empty((0, 0), np.float32)
    return Features(values, rows["person"].to_numpy(str), rows["video"].to_numpy(str))


def _row(model: str, made: Features, found: Estimate, metric: MetricEntry, wanted: int) -> Row:
    low, high = interval(found.value, found.resampled)
    bottom, top = metric.bounds or (None, None)
    n, value = len(made.values), _cut(finite_or_none(found.value), bottom, top)  # up to rounding
    total = max(n, wanted)
    return Row(
        model=model,
        metric=metric.name,
        n=n,
        n_total=total,
        failed=total - n,
        failure_rate=(total - n) / total if total else 0.0,
        n_infinite=0,
        mean=value,
        median=None,
        std=None,
        ci_low=_cut(low, bottom, top),
        ci_high=_cut(high, bottom, top),
        ci_pair_low=None,
        ci_pair_high=None,
        mean_penalised=None,
        mean_common=None,
        n_common=0,
    )


def _cut(bound: float | None, bottom: float | None, top: float | None) -> float | None:
    if bound is None:
        return None
    return float(np.clip(bound, -np.inf if bottom is None else bottom, np.inf if top is None else top))


def comparison(metric: MetricEntry, a: str, b: str, ours: Estimate, theirs: Estimate) -> SetComparison:
    """Compare two models that were measured with the same resamples."""
    difference = ours.value - theirs.value
    low, high = interval(difference, ours.resampled - theirs.resampled)
    value = finite_or_none(difference)
    better = None
    if value:
        better = a if (value < 0) != metric.higher_is_better else b
    return SetComparison(metric=metric.name, a=a, b=b, difference=value, ci_low=low, ci_high=high, better=better)


def _notices(definition: SetDefinition, models: Sequence[str], made: Sequence[Features], real: Features) -> list[str]:
    what = f"windows of {definition.window} frames" if definition.window > 1 else "frames"
    if len(real.values) < FEWEST:
        return [f"{definition.name} has no value: fewer than {FEWEST} {what} in the real videos"]
    counts = {model: len(one.values) for model, one in zip(models, made)}
    lacking = [model for model, n in counts.items() if n < FEWEST]
    notices = [f"{definition.name} has no value of {', '.join(lacking)}: fewer than {FEWEST} {what}"] if lacking else []
    known = {model: n for model, n in counts.items() if n >= FEWEST}
    if len(set(known.values())) > 1 and definition.family != "kid":
        told = ", ".join(f"{model} {n}" for model, n in known.items())
        notices.append(f"{definition.name} uses unequal numbers of {what} and is larger for fewer ones: {told}")
    least = min([len(real.values), *known.values()])
    if least < definition.least and known:
        biased = (
            "its interval is wide"
            if definition.family == "kid"
            else "it is too large, and only comparable at equal numbers"
        )
        notices.append(f"{definition.name} uses {least} {what}, fewer than {definition.least}: {biased}")
    return notices
