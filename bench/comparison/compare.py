"""Two runs, or two models of one, compared pair by pair: `python -m bench compare`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

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
from bench.metrics.signature import short
from bench.runtime.errors import UserError
from bench.stats.intervals import intervals
from bench.stats.resampling import Hierarchy
from bench.stats.summary import BOUNDS, CONFIDENCE, RESAMPLES, adjusted, comparisons, summarise
from protocols import files
from reports.run.view import heading

FAMILY = ("p_holm", "family")
SAME = 1e-6  # bounds that differ by more than this between two runs mean other frames or detectors


def compare(
    a: Path,
    b: Path | None = None,
    models: Sequence[str] | None = None,
    seed: int | None = None,
    n_resamples: int = RESAMPLES,
) -> dict[str, Any]:
    """JSON-able: what is compared, what is refused and why, and for each pair of models every number of the comparison.

    a, b: folders of finished runs; b None compares models of one run. models: two labels, the first of `a`, the second
    of `b`; by default every label that both have (versions, machines), or every two models of the one run.
    seed: None takes that of the run `a`. With one run, that seed and as many resamples all numbers are those of its
    ``summary.json``; Holm's p is over the same family then, all comparisons of the run, else over the duels here.
    Differences are A − B on the pairs that both measured. Raises UserError where nothing may be compared.
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
    seed = first.manifest["seeds"]["run"] if seed is None else seed
    found = [_duel(first, second, duel, keys, metrics, seed, n_resamples) for duel in duels]
    _adjust(found, [metric["name"] for metric in metrics])
    family = "these"
    if b is None and (whole := _adjusted_in_run(first, found, metrics, seed, n_resamples)):
        family, found = "run", whole
    notices = _notices(first, second, keys, metrics) + found[0].pop("notices")
    if b is None and (why := _unlike_report(a, seed, n_resamples)):
        notices.append(f"the report of this run {why}: its intervals and p-values differ from these by chance")
    counts = {"common": len(keys)} | {s: run.samples["key"].nunique() for s, run in (("a", first), ("b", second))}
    return {
        "schema": 1,
        "a": first.name,
        "b": second.name,
        "protocol": first.manifest["protocol"]["name"],
        "title": heading(first.manifest),
        "pairs": counts | {"subset": not counts["common"] == counts["a"] == counts["b"]},
        "metrics": [dict(metric) | {"short": short(metric["signature"])} for metric in metrics],
        "refused": refused,
        "changes": changes(first, second, keys),
        "notices": weights_notes(first, second, duels) + notices,
        "seed": seed,
        "n_resamples": n_resamples,
        "family": family,
        "duels": found,
    }


def _duels(a: Run, b: Run, models: Sequence[str] | None) -> list[tuple[str, str]]:
    if models:
        if len(models) != 2:
            raise UserError(f"--models {','.join(models)}: name two, one of each run")
        for run, model in zip((a, b), models):
            if model not in run.labels:
                raise UserError(f"--models {model}: {run.name} has {', '.join(run.labels)}")
        if a is b and models[0] == models[1]:
            raise UserError(f"--models {','.join(models)}: a model is not compared with itself")
        return [(models[0], models[1])]
    if a is b:
        duels = list(combinations([model for model in a.labels if model not in BOUNDS], 2))
    else:
        duels = [(model, model) for model in a.labels if model in b.labels and model not in BOUNDS]
    if not duels:
        have = f"{a.name} has {', '.join(a.labels)}" + ("" if a is b else f"; {b.name} has {', '.join(b.labels)}")
        raise UserError(f"no two models to compare by default ({have}); name two with --models A,B")
    return duels


def _duel(
    a: Run, b: Run, duel: tuple[str, str], keys: pd.Index, metrics: Sequence[Mapping[str, Any]], seed: int, n: int
) -> dict[str, Any]:
    sides = [run.samples[run.samples["model"] == model] for run, model in zip((a, b), duel)]
    sides = [rows.set_index("key").loc[keys] for rows in sides]
    both = pd.concat([rows.assign(model=side, pair=keys) for rows, side in zip(sides, "ab")], ignore_index=True)
    summary = summarise(both, metrics, seed, n, bounds=())
    means = {(row["model"], row["metric"]): row for row in summary["rows"]}
    compared = []
    for entry in summary["comparisons"]:
        rows = {side: means[side, entry["metric"]] for side in "ab"}
        extra = {f"mean_{side}": row["mean_common"] for side, row in rows.items()}
        extra |= {f"failed_{side}": row["failed"] for side, row in rows.items()}
        compared.append(entry | extra)
    entries = [next(model for model in run.manifest["models"] if model["name"] == m) for run, m in zip((a, b), duel)]
    differences = {
        metric["name"]: sides[0][metric["name"]].astype(float) - sides[1][metric["name"]].astype(float)
        for metric in metrics
    }
    measured = measures(a, keys) or measures(b, keys)
    return {
        "a": duel[0],
        "b": duel[1],
        "label_a": _label(a, b, duel, 0),
        "label_b": _label(a, b, duel, 1),
        "changes": model_changes(*entries),
        "comparisons": compared,
        "groups": _groups(sides[0], differences, groupings(sides[0], measured), metrics, seed, n),
        "trends": _trends(differences, measured),
        "differences": {name: [v if np.isfinite(v) else None for v in d] for name, d in differences.items()},
        "notices": summary["notices"],
    }


def _label(a: Run, b: Run, duel: tuple[str, str], side: int) -> str:
    if duel[0] != duel[1]:
        return duel[side]
    return f"{duel[side]} ({'AB'[side] if a.name == b.name else (a, b)[side].name})"


def _groups(
    pairs: pd.DataFrame,
    differences: Mapping[str, pd.Series],
    grouped: Mapping[str, pd.Series],
    metrics: Sequence[Mapping[str, Any]],
    seed: int,
    n: int,
) -> list[dict[str, Any]]:
    """One entry a grouping, group and metric: n, mean difference, its interval by the same bootstrap, win rate."""
    source, driving = (
        Hierarchy.of(pairs[f"{side}_identity"], pairs[side].str.rpartition("/")[0]) for side in ("source", "driving")
    )
    better = {metric["name"]: 1 if metric["higher_is_better"] else -1 for metric in metrics}
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
        wins = (better[name] * values > 0) + 0.5 * (values == 0)
        entry = {"grouping": grouping, "group": group, "metric": name, "n": len(values)}
        entry |= {"difference": float(values.mean()), "win_rate": float(wins.mean())}
        entries.append(entry | {"ci_low": float(low), "ci_high": float(high)})
    return entries


def _place(group: str) -> tuple[int, str]:
    """Levels in their order, identities by name."""
    return {"low": 0, "middle": 1, "high": 2}.get(group.split(" (")[0], 0), group


def _trends(differences: Mapping[str, pd.Series], measured: Mapping[str, pd.Series]) -> list[dict[str, Any]]:
    """Spearman's rank correlation of difficulty and difference over the pairs."""
    found = []
    for measure, numbers in measured.items():
        for name, values in differences.items():
            known = np.isfinite(values) & np.isfinite(numbers)
            if known.sum() > 2 and values[known].nunique() > 1 and numbers[known].nunique() > 1:
                rho = float(stats.spearmanr(numbers[known], values[known]).statistic)
                found.append({"measure": measure, "metric": name, "rho": rho, "n": int(known.sum())})
    return found


def _adjust(duels: Sequence[dict[str, Any]], names: Sequence[str]) -> None:
    """Put Holm's p over the pairs of models, metric by metric, in place of each comparison's own."""
    for name in names:
        entries = [entry for duel in duels for entry in duel["comparisons"] if entry["metric"] == name]
        for entry, whole in zip(entries, adjusted(entries)):
            entry |= {key: whole[key] for key in FAMILY}


def _adjusted_in_run(
    run: Run, duels: Sequence[dict[str, Any]], metrics: Sequence[Mapping[str, Any]], seed: int, n: int
) -> list[dict[str, Any]] | None:
    """The duels with Holm's p over all comparisons of their run, as in its report; None where one is not of them."""
    found = {(e["metric"], frozenset((e["a"], e["b"]))): e for e in comparisons(run.samples, metrics, seed, n)}
    whole = []
    for duel in duels:
        entries = []
        for entry in duel["comparisons"]:
            of_run = found.get((entry["metric"], frozenset((duel["a"], duel["b"]))))
            if of_run is None:
                return None
            entries.append(entry | {key: of_run[key] for key in FAMILY})
        whole.append(duel | {"comparisons": entries})
    return whole


def _unlike_report(folder: Path, seed: int, n_resamples: int) -> str | None:
    """In words, what makes the report's resamples others than these."""
    try:
        summary = json.loads(files.text(folder / "summary.json"))
        drawn = summary["seed"], summary["n_resamples"]
        of_this_version = all("family" in entry for entry in summary["comparisons"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # without a summary there is no report
    if drawn != (seed, n_resamples):
        return f"has seed {drawn[0]} and {drawn[1]} resamples"
    return None if of_this_version else "is of an earlier version (re-run the run's command to draw it again)"


def _notices(a: Run, b: Run, keys: pd.Index, metrics: Sequence[Mapping[str, Any]]) -> list[str]:
    """What casts doubt on every difference: a bound, which no model has a part in, measured otherwise."""
    found = []
    if a is b:
        return found
    for bound in BOUNDS:
        sides = [run.samples[run.samples["model"] == bound].set_index("key") for run in (a, b)]
        if any(rows.empty for rows in sides):
            continue
        ours, theirs = (rows.loc[keys] for rows in sides)
        for metric in metrics:
            gap = (ours[metric["name"]].astype(float) - theirs[metric["name"]].astype(float)).abs().max()
            if gap > SAME:
                found.append(
                    f"the bound {bound} differs by up to {gap:.3g} in {metric['name']}: "
                    "frames, decoder or detector are not the same in the two runs"
                )
    return found
