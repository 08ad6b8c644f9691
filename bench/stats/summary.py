"""From one number per pair and model to a table: means, intervals, rankings, paired comparisons.

Rules for all numbers:
- A failed pair (NaN) is counted: ``n`` measured of ``n_total``, ``failed`` and ``failure_rate``.
- An infinite value (PSNR of an exact frame) counts as measured. ``mean``, ``std``, intervals and differences are over
the finite values; ``n_infinite`` counts the others, and ``mean`` is None without a finite value. Such a column ranks as
infinite; a win over a finite value is a win.
- ``ci_low``/``ci_high``: 95 % interval of the nested bootstrap, its width corrected (see `bench.stats.intervals`).
``ci_pair_low``/``ci_pair_high``: Student's interval as if pairs were independent; printed to show how much too narrow
it is.
- Neither the order of rows nor the ids of pairs change a number. The seed determines the resamples, the same ones for
any set of models and metrics, so that `bench.comparison.compare` returns the numbers of the report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from bench.stats.columns import Columns
from bench.stats.intervals import ONE_PERSON, intervals
from bench.stats.pair_keys import pair_keys
from bench.stats.resampling import Hierarchy, holm, sign_flip_p, sums_by
from bench.stats.rows import Interval, PValues, comparison, finite_or_none, model_row, ranking
from protocols.names import BOUNDS, LOWER
from protocols.words import counted
from reports.schema.manifest import SCHEMA, MetricEntry
from reports.schema.summary import CONFIDENCE, Clusters, Comparison, Side, Summary

RESAMPLES = 10_000
FEW_IDENTITIES = 10  # effective; with fewer, the coverage of an interval depends on how people are distributed


def summarize(
    samples: pd.DataFrame,
    metrics: Sequence[MetricEntry],
    seed: int,
    n_resamples: int = RESAMPLES,
    bounds: Sequence[str] = BOUNDS,
) -> Summary:
    """Summarize the samples of a run; undefined numbers are None.

    samples: rows of ``samples.parquet``. metrics: the manifest's entries; those that do not apply are left out.
    bounds: models that are not competitors: they have rows, but are not ranked, and only models are compared with the
    lower ones.
    """
    metrics = [metric for metric in metrics if metric.applies and metric.shape != "set"]  # see `bench.stats.sets`
    models = list(dict.fromkeys(samples["model"]))
    pairs, source, driving = _pairs(samples)
    duels = _duels(models, bounds)
    tables = _tables(samples, metrics, pairs, models)
    bounded = _intervals(tables, duels, source, driving, n_resamples, seed)
    chances = _p_values(tables, duels, source, driving, n_resamples, seed)
    rows = [
        model_row(tables[metric.name], model, metric, bounded[metric.name, model])
        for model in models
        for metric in metrics
    ]
    clusters = _clusters(source, driving)
    return Summary(
        schema_=SCHEMA,
        seed=seed,
        n_resamples=n_resamples,
        confidence=CONFIDENCE,
        models=tuple(models),
        bounds=tuple(model for model in models if model in bounds),
        clusters=clusters,
        notices=tuple(_notices(clusters)),
        rows=tuple(rows),
        ranking={
            metric.name: ranking(rows, metric, [model for model in models if model not in bounds]) for metric in metrics
        },
        comparisons=tuple(_comparisons(metrics, duels, tables, bounded, chances)),
    )


def comparisons(
    samples: pd.DataFrame, metrics: Sequence[MetricEntry], seed: int, n_resamples: int = RESAMPLES
) -> list[Comparison]:
    """Return the comparisons of `summarize`, without intervals, which take longest."""
    metrics = [metric for metric in metrics if metric.applies and metric.shape != "set"]
    models = list(dict.fromkeys(samples["model"]))
    pairs, source, driving = _pairs(samples)
    duels = _duels(models, BOUNDS)
    tables = _tables(samples, metrics, pairs, models)
    chances = _p_values(tables, duels, source, driving, n_resamples, seed)
    return _comparisons(metrics, duels, tables, dict.fromkeys(chances, (None, None)), chances)


def _comparisons(
    metrics: Sequence[MetricEntry],
    duels: Sequence[tuple[str, str]],
    tables: Mapping[str, pd.DataFrame],
    bounded: Mapping[Any, Interval],
    chances: Mapping[Any, PValues],
) -> list[Comparison]:
    entries = []
    for metric in metrics:
        name, table = metric.name, tables[metric.name]
        measured = [duel for duel in duels if (table[duel[0]].notna() & table[duel[1]].notna()).any()]
        p_holm = holm([chances[name, duel].p for duel in measured])
        entries += [
            comparison(table, duel, metric, bounded[name, duel], chances[name, duel], p, len(measured))
            for duel, p in zip(measured, p_holm)
        ]
    return entries


def _pairs(samples: pd.DataFrame) -> tuple[pd.Index, Hierarchy, Hierarchy]:
    """Return the pairs, ordered by content independently of ids, with their people, sources and driving frames."""
    of_people = samples[["pair", "source", "driving", "source_identity", "driving_identity"]]
    pairs = of_people.assign(_key=pair_keys(samples)).drop_duplicates("pair").sort_values("_key").set_index("pair")
    source, driving = (
        Hierarchy.of(pairs[f"{side}_identity"], pairs[side].str.rpartition("/")[0]) for side in ("source", "driving")
    )
    return pairs.index, source, driving


def _tables(
    samples: pd.DataFrame, metrics: Sequence[MetricEntry], pairs: pd.Index, models: Sequence[str]
) -> dict[str, pd.DataFrame]:
    """Return a table of pairs × models per metric, NaN where failed or absent."""
    numbered = samples[["pair", "model"]].assign(_row=np.arange(len(samples)))
    numbered = numbered.pivot(index="pair", columns="model", values="_row")
    rows = numbered.reindex(index=pairs, columns=list(models), fill_value=np.nan).to_numpy(float)
    absent, places = np.isnan(rows), np.where(np.isnan(rows), 0, rows).astype(int)

    def table(name: str) -> np.ndarray:
        values = samples[name].to_numpy(float)[places] if name in samples else np.nan
        return np.where(absent, np.nan, values)

    return {metric.name: pd.DataFrame(np.asfortranarray(table(metric.name)), pairs, list(models)) for metric in metrics}


def _duels(models: Sequence[str], bounds: Sequence[str]) -> list[tuple[str, str]]:
    """Return every two models, and every model with the lower bounds; without ``copy-target``."""
    sides = [model for model in models if model not in bounds or model in LOWER]
    return [duel for duel in combinations(sides, 2) if not set(duel) <= set(bounds)]


def _columns(
    tables: Mapping[str, pd.DataFrame], duels: Sequence[tuple[str, str]], alone: bool
) -> tuple[list[Any], Columns]:
    """Return the differences of all duels on all metrics by ``(metric, duel)``; alone: after the models' columns."""
    places = {(name, model): place for place, (name, model) in enumerate((n, m) for n, t in tables.items() for m in t)}
    picks: dict[Any, tuple[int, int | None]] = {key: (place, None) for key, place in places.items() if alone}
    picks |= {(name, (a, b)): (places[name, a], places[name, b]) for name in tables for a, b in duels}
    values = np.concatenate([table.to_numpy(float) for table in tables.values()], axis=1)
    return list(picks), Columns(values, list(picks.values()))


def _intervals(
    tables: Mapping[str, pd.DataFrame],
    duels: Sequence[tuple[str, str]],
    source: Hierarchy,
    driving: Hierarchy,
    n: int,
    seed: int,
) -> dict[Any, Interval]:
    """Return intervals; all columns share resamples, so differences are paired. None without a finite value."""
    if not tables:
        return {}
    keys, columns = _columns(tables, duels, alone=True)
    bounds = intervals(columns, source, driving, n, CONFIDENCE, np.random.default_rng(seed))
    return {key: (finite_or_none(low), finite_or_none(high)) for key, low, high in zip(keys, *bounds)}


def _p_values(
    tables: Mapping[str, pd.DataFrame],
    duels: Sequence[tuple[str, str]],
    source: Hierarchy,
    driving: Hierarchy,
    n: int,
    seed: int,
) -> dict[Any, PValues]:
    """Return p-values by identity and by pair. A cluster without a common pair has sum 0, which changes nothing."""
    if not tables or not duels:
        return {}
    keys, columns = _columns(tables, duels, alone=False)
    by_identity, smallest = [], []
    for stream, side in enumerate((source, driving)):  # separate random streams
        sums, measured = [], []
        for _, part in columns.parts():
            finite = np.isfinite(part)
            sums.append(sums_by(side.identity, np.where(finite, part, 0.0)))
            measured.append((sums_by(side.identity, finite) > 0).sum(0))
        rng = np.random.default_rng([seed, stream, 1])
        by_identity.append(sign_flip_p(np.concatenate(sums, axis=1), n, rng))
        smallest.append(np.maximum(2.0 ** (1 - np.concatenate(measured)), 1 / (n + 1)))
        if np.array_equal(source.identity, driving.identity):
            break
    p, p_smallest = (np.max(found, axis=0) for found in (by_identity, smallest))
    p_pair = sign_flip_p(columns, n, np.random.default_rng([seed, 2, 1]))
    return {key: PValues(float(p[i]), float(p_smallest[i]), float(p_pair[i])) for i, key in enumerate(keys)}


def _clusters(source: Hierarchy, driving: Hierarchy) -> Clusters:
    crossed = not np.array_equal(source.identity, driving.identity)
    return Clusters(crossed=crossed, pairs=len(driving.video), source=_side(source), driving=_side(driving))


def _side(side: Hierarchy) -> Side:
    effective = round(side.effective_identities, 2)
    return Side(identities=len(side.videos), effective_identities=effective, videos=len(side.pairs))


def _notices(clusters: Clusters) -> list[str]:
    """Return notices on the reliability of the intervals."""
    side = min((clusters.source, clusters.driving), key=lambda side: side.effective_identities)
    identities, effective = side.identities, side.effective_identities
    if effective >= FEW_IDENTITIES:
        return []
    who = counted(identities, "identity", "identities")
    uneven = f" with unequal numbers of pairs, like {effective:.1f} equal ones" if effective < 0.8 * identities else ""
    if effective < ONE_PERSON:
        notices = [f"only {who}{uneven}: intervals do not generalize to other people"]
    else:
        notices = [f"only {who}{uneven}: intervals are wide, and assume that identities differ normally"]
    if identities <= 5:
        notices.append(f"with {who} the smallest possible p-value over identities is {2.0 ** (1 - identities):g}")
    return notices
