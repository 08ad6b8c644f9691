"""Compare two runs, or two models of one run, pair by pair: `python -m bench compare`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from bench.comparison import sets
from bench.comparison.difficulty import groupings, measures
from bench.comparison.load import (
    Run,
    anchored,
    changes,
    check_cuts,
    check_question,
    common_keys,
    comparable,
    load,
    model_changes,
    weights_notes,
)
from bench.comparison.videos import other_videos
from bench.metrics.signature import short
from bench.rundir.directory import RunDirectory
from bench.runtime.errors import UserError
from bench.stats.intervals import intervals
from bench.stats.resampling import Hierarchy, holm
from bench.stats.rows import finite_or_none
from bench.stats.summary import RESAMPLES, comparisons, summarize
from protocols.names import BOUNDS
from reports.run.view import heading
from reports.schema.comparison import Compared, Duel, Group, Pairs, RunComparison, Trend
from reports.schema.manifest import SCHEMA, MetricEntry
from reports.schema.summary import CONFIDENCE

SAME = 1e-6  # if the bounds of two runs differ by more, frames or detectors differ


def compare(
    a: Path,
    b: Path | None = None,
    models: Sequence[str] | None = None,
    seed: int | None = None,
    n_resamples: int = RESAMPLES,
) -> RunComparison:
    """Compare runs or models; return every number of each pair of models, and the refused metrics with the reason.

    a, b: folders of finished runs; without b, models of one run are compared. models: two labels, the first of `a`, the
    second of `b`; default: every label that both have (versions, machines), or every two models of the one run.
    seed: default: that of run `a`. With one run, its seed and its number of resamples, all numbers are those of its
    ``summary.json``, and Holm's p is over all comparisons of the run; else it is over the comparisons here.
    Differences are A − B on the pairs that both measured. Raises UserError if nothing can be compared.
    """
    first = load(a)
    second = first
    if b is not None:
        first, second = anchored(first, load(b))
    check_question(first, second)
    metrics, refused = comparable(first, second)
    keys = common_keys(first, second)
    check_cuts(first, second, keys)
    duels = _duels(first, second, models)
    seed = first.manifest.seeds.run if seed is None else seed
    found = [_duel(first, second, duel, keys, metrics, seed, n_resamples) for duel in duels]
    whole = _adjusted_in_run(first, [duel for duel, _ in found], metrics, seed, n_resamples) if b is None else None
    notices = [*_notices(first, second, keys, metrics), *found[0][1]]
    notices += [line for duel in duels for line in _other_videos(first, second, duel, keys)]
    if b is None and (why := _differs_from_report(a, seed, n_resamples)):
        notices.append(f"the report of this run {why}: its intervals and p-values differ from these by chance")
    ours, theirs = (int(run.samples["key"].nunique()) for run in (first, second))
    return RunComparison(
        schema_=SCHEMA,
        a=first.name,
        b=second.name,
        protocol=first.manifest.protocol.name,
        title=heading(first.manifest),
        unit=first.manifest.unit,
        pairs=Pairs(common=len(keys), a=ours, b=theirs, subset=not len(keys) == ours == theirs),
        metrics=tuple(metric.but(short=short(metric.signature)) for metric in metrics),
        refused=tuple(refused),
        changes=tuple(changes(first, second, keys)),
        notices=(*weights_notes(first, second, duels), *notices),
        seed=seed,
        n_resamples=n_resamples,
        family="run" if whole else "these",
        duels=tuple(whole or _adjusted([duel for duel, _ in found], [metric.name for metric in metrics])),
    )


def _duels(a: Run, b: Run, models: Sequence[str] | None) -> list[tuple[str, str]]:
    if models:
        if len(models) != 2:
            raise UserError(f"--models {','.join(models)}: name two, one of each run", code="bad-value")
        for run, model in zip((a, b), models):
            if model not in run.manifest.labels:
                raise UserError(
                    f"--models {model}: {run.name} has {', '.join(run.manifest.labels)}", code="unknown-model"
                )
        if a is b and models[0] == models[1]:
            raise UserError(f"--models {','.join(models)}: a model is not compared with itself", code="bad-value")
        return [(models[0], models[1])]
    if a is b:
        duels = list(combinations([model for model in a.manifest.labels if model not in BOUNDS], 2))
    else:
        duels = [(model, model) for model in a.manifest.labels if model in b.manifest.labels and model not in BOUNDS]
    if not duels:
        runs = (a,) if a is b else (a, b)
        have = "; ".join(f"{run.name} has {', '.join(run.manifest.labels)}" for run in runs)
        raise UserError(
            f"no two models to compare by default ({have}); name two with --models A,B", code="missing-option"
        )
    return duels


def _duel(
    a: Run, b: Run, duel: tuple[str, str], keys: pd.Index, metrics: Sequence[MetricEntry], seed: int, n: int
) -> tuple[Duel, Sequence[str]]:
    """Compare two models, with Holm's p over this duel alone; return notices about the intervals, too."""
    of_sets, set_notices = sets.compared(a, b, duel, keys, [one for one in metrics if one.shape == "set"], seed)
    metrics = [one for one in metrics if one.shape != "set"]
    sides = _sides(a, b, duel, keys)
    both = pd.concat([rows.assign(model=side, pair=keys) for rows, side in zip(sides, "ab")], ignore_index=True)
    summary = summarize(both, metrics, seed, n, bounds=())
    rows = summary.by_model()
    compared = []
    for entry in summary.comparisons:
        ours, theirs = (rows[side, entry.metric] for side in "ab")
        means = {"mean_a": ours.mean_common, "mean_b": theirs.mean_common}
        compared.append(entry.then(Compared, **means, failed_a=ours.failed, failed_b=theirs.failed))
    differences = {
        metric.name: sides[0][metric.name].astype(float) - sides[1][metric.name].astype(float) for metric in metrics
    }
    measured = measures(a, keys) or measures(b, keys)
    found = Duel(
        a=duel[0],
        b=duel[1],
        label_a=_label(a, b, duel, 0),
        label_b=_label(a, b, duel, 1),
        changes=tuple(model_changes(a.manifest.model(duel[0]), b.manifest.model(duel[1]))),
        comparisons=tuple(compared),
        groups=tuple(_groups(sides[0], differences, groupings(sides[0], measured), metrics, seed, n)),
        trends=tuple(_trends(differences, measured)),
        differences={name: tuple(finite_or_none(v) for v in values) for name, values in differences.items()},
        sets=tuple(of_sets),
    )
    return found, [*summary.notices, *set_notices]


def _sides(a: Run, b: Run, duel: tuple[str, str], keys: pd.Index) -> list[pd.DataFrame]:
    """Return the rows of two models on the common pairs, in the same order."""
    rows = [run.samples[run.samples["model"] == model] for run, model in zip((a, b), duel)]
    return [side.set_index("key").loc[keys] for side in rows]


def _other_videos(a: Run, b: Run, duel: tuple[str, str], keys: pd.Index) -> list[str]:
    """Return how the clips of two models differ besides their pixels."""
    words = " and ".join(_label(a, b, duel, side) for side in (0, 1))
    return other_videos((a.manifest, b.manifest), duel, _sides(a, b, duel, keys), words)


def _label(a: Run, b: Run, duel: tuple[str, str], side: int) -> str:
    if duel[0] != duel[1]:
        return duel[side]
    return f"{duel[side]} ({'AB'[side] if a.name == b.name else (a, b)[side].name})"


def _groups(
    pairs: pd.DataFrame,
    differences: Mapping[str, pd.Series],
    grouped: Mapping[str, pd.Series],
    metrics: Sequence[MetricEntry],
    seed: int,
    n: int,
) -> list[Group]:
    """Return one entry per grouping, group and metric: n, mean difference, interval by the same bootstrap, win rate."""
    source, driving = (
        Hierarchy.of(pairs[f"{side}_identity"], pairs[side].str.rpartition("/")[0]) for side in ("source", "driving")
    )
    better = {metric.name: 1 if metric.higher_is_better else -1 for metric in metrics}
    columns = {
        (grouping, group, name): values.where(groups == group)
        for grouping, groups in grouped.items()
        for group in sorted(groups.dropna().unique(), key=lambda group: _place(group))
        for name, values in differences.items()
        if values.where(groups == group).notna().any()
    }
    if not columns:
        return []
    table = np.stack([column.to_numpy(float) for column in columns.values()], axis=1)
    bounds = intervals(table, source, driving, n, CONFIDENCE, np.random.default_rng(seed))
    entries = []
    for (grouping, group, name), column, (low, high) in zip(columns, columns.values(), bounds.T):
        values = column[np.isfinite(column)]
        if not len(values):
            continue
        if len(values) == 1:
            low = high = np.nan  # a single value has no interval
        wins = (better[name] * values > 0) + 0.5 * (values == 0)
        entries.append(
            Group(
                grouping=grouping,
                group=group,
                metric=name,
                n=len(values),
                difference=float(values.mean()),
                win_rate=float(wins.mean()),
                ci_low=finite_or_none(low),
                ci_high=finite_or_none(high),
            )
        )
    return entries


def _place(group: str) -> tuple[int, str]:
    """Sort levels by their order, identities by name."""
    return {"low": 0, "middle": 1, "high": 2}.get(group.split(" (")[0], 0), group


def _trends(differences: Mapping[str, pd.Series], measured: Mapping[str, pd.Series]) -> list[Trend]:
    """Return Spearman's rank correlation of difficulty and difference over the pairs."""
    found = []
    for measure, numbers in measured.items():
        for name, values in differences.items():
            known = np.isfinite(values) & np.isfinite(numbers)
            if known.sum() > 2 and values[known].nunique() > 1 and numbers[known].nunique() > 1:
                rho = float(stats.spearmanr(numbers[known], values[known]).statistic)
                found.append(Trend(measure=measure, metric=name, rho=rho, n=int(known.sum())))
    return found


def _adjusted(duels: Sequence[Duel], names: Sequence[str]) -> list[Duel]:
    """Return the duels with Holm's p over all pairs of models, for each metric, instead of each duel's own."""
    adjusted: dict[tuple[int, str], Compared] = {}
    for name in names:
        found = [(k, entry) for k, duel in enumerate(duels) for entry in duel.comparisons if entry.metric == name]
        for (k, entry), p in zip(found, holm([entry.p for _, entry in found])):
            adjusted[k, name] = entry.but(p_holm=p, family=len(found))
    return [
        duel.but(comparisons=tuple(adjusted[k, entry.metric] for entry in duel.comparisons))
        for k, duel in enumerate(duels)
    ]


def _adjusted_in_run(
    run: Run, duels: Sequence[Duel], metrics: Sequence[MetricEntry], seed: int, n: int
) -> list[Duel] | None:
    """Return the duels with Holm's p over all comparisons of the run, as in its report; None if one is not there."""
    found = {(e.metric, frozenset((e.a, e.b))): e for e in comparisons(run.samples, metrics, seed, n)}
    whole = []
    for duel in duels:
        entries = []
        for entry in duel.comparisons:
            of_run = found.get((entry.metric, frozenset((duel.a, duel.b))))
            if of_run is None:
                return None
            entries.append(entry.but(p_holm=of_run.p_holm, family=of_run.family))
        whole.append(duel.but(comparisons=tuple(entries)))
    return whole


def _differs_from_report(folder: Path, seed: int, n_resamples: int) -> str | None:
    """Return, in words, why the report's resamples differ from these; None if they are the same."""
    run = RunDirectory(folder)
    try:
        summary = run.summary(run.complete())
    except UserError:
        return None  # without a summary there is no report
    if (summary.seed, summary.n_resamples) != (seed, n_resamples):
        return f"has seed {summary.seed} and {summary.n_resamples} resamples"
    if all(entry.family for entry in summary.comparisons):
        return None
    return "is of an earlier version (re-run the run's command to draw it again)"


def _notices(a: Run, b: Run, keys: pd.Index, metrics: Sequence[MetricEntry]) -> list[str]:
    """Return notices on bounds whose values differ: no model influences them, so every difference is in doubt."""
    found: list[str] = []
    if a is b:
        return found
    metrics = [one for one in metrics if one.shape != "set"]
    for bound in BOUNDS:
        sides = [run.samples[run.samples["model"] == bound].set_index("key") for run in (a, b)]
        if any(rows.empty for rows in sides):
            continue
        ours, theirs = (rows.loc[keys] for rows in sides)
        for metric in metrics:
            gap = (ours[metric.name].astype(float) - theirs[metric.name].astype(float)).abs().max()
            if gap > SAME:
                found.append(
                    f"the bound {bound} differs by up to {gap:.3g} in {metric.name}: "
                    "the runs differ in frames, decoder or detector"
                )
    return found
