"""Choose the models and pairs of a run for a figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.runtime.errors import UserError
from protocols.names import BOUNDS
from protocols.words import counted
from reports.run import choose
from reports.schema.manifest import Complete, MetricEntry

COUNT = 4  # pairs of a figure without --limit or --pairs
PICKS = ("best", "median", "worst", "spread")


@dataclass(frozen=True)
class Picked:
    """Ids of pairs (of clips, in a run of whole clips), and how they were chosen, as text."""

    pairs: tuple[str, ...]
    how: str


def models(manifest: Complete, names: Sequence[str]) -> list[str]:
    """Return the requested labels, by default of all models except bounds.

    Raises UserError for an unknown name, or if there is none.
    """
    known = manifest.labels
    if unknown := [name for name in names if name not in known]:
        raise UserError(f"--models {unknown[0]}: is not in this run; it has {', '.join(known)}", code="unknown-model")
    found = list(dict.fromkeys(names)) or [label for label in known if label not in BOUNDS]
    if not found:
        raise UserError(f"the run has only bounds: name them with --models ({', '.join(known)})", code="missing-option")
    return found


def named(samples: pd.DataFrame, labels: Sequence[str], pairs: Sequence[str], unit: str) -> Picked:
    """Return the pairs with these ids. Raises UserError for an unknown pair, or one where a model failed."""
    known = set(samples["pair"])
    for pair in pairs:
        if pair not in known:
            ids = ", ".join(sorted(known)[:3])
            raise UserError(f"{unit} {pair} is not in this run, which has {ids}, ...", code="unknown-pair")
    rows = samples[samples["pair"].isin(pairs) & samples["model"].isin(labels) & (samples["status"] == "failed")]
    if len(rows):
        row = rows.iloc[0]
        raise UserError(
            f"{unit} {row['pair']}: {row['model']} failed ({row['error']}), so there is no frame to show",
            code="failed-pair",
        )
    return Picked(tuple(dict.fromkeys(pairs)), f"{unit}s by name")


def metric(manifest: Complete, samples: pd.DataFrame, name: str | None) -> MetricEntry:
    """Return the metric that ranks pairs, by default the report's for pictures. Raises UserError without one."""
    usable = [one for one in manifest.measured if one.shape != "set" and one.name in samples]
    if name is None:
        found = choose.picture_metric(manifest)
        if found is None or found not in usable:
            raise UserError("the run has no metric to rank pairs: name pairs with --pairs", code="no-metric")
        return found
    for one in usable:
        if name in (one.name, one.family):
            return one
    raise UserError(f"--metric {name}: the run has {', '.join(one.name for one in usable)}", code="unknown-metric")


def picked(
    samples: pd.DataFrame, labels: Sequence[str], by: MetricEntry, pick: str, count: int | None, seed: int, unit: str
) -> Picked:
    """Pick `count` pairs by the mean of a metric over the models: best, around the median, worst, or a spread.

    spread: the pairs, sorted by the metric, are cut into `count` equal parts, and one is drawn from each with `seed`.
    count: None for `COUNT`, or for all where there are fewer.
    Pairs where a model failed or without a finite value of the metric are left out; the returned text gives their
    number.
    """
    rows = samples[samples["model"].isin(labels)]
    table = rows.pivot(index="pair", columns="model", values=by.name).astype(float)
    failed = set(rows.loc[rows["status"] == "failed", "pair"])
    whole = np.isfinite(table.to_numpy()).all(1) & ~table.index.isin(failed)
    means = table[whole].mean(axis=1).sort_index()
    means = means.sort_values(ascending=not by.higher_is_better, kind="stable")
    if count is None:
        count = max(1, min(COUNT, len(means)))
    if len(means) < count:
        raise UserError(
            f"--limit {count}: only {len(means)} {unit}s have a frame and a finite {by.name} of every model",
            code="too-few-pairs",
        )
    ids = list(means.index)
    if pick == "spread":
        parts = np.array_split(np.arange(len(ids)), count)
        rng = np.random.default_rng(seed)
        places = [int(rng.choice(part)) for part in parts]
    else:
        start = {"best": 0, "worst": len(ids) - count, "median": (len(ids) - count) // 2}[pick]
        places = list(range(start, start + count))
        if pick == "worst":
            places.reverse()
    words = {
        "best": f"the {count} best",
        "worst": f"the {count} worst, worst first,",
        "median": f"the {count} around the median",
        "spread": f"{count} spread from best to worst, one drawn from each of {count} equal parts (seed {seed}),"
        if count > 1
        else f"1 drawn at random (seed {seed}),",
    }
    how = f"{words[pick]} of {counted(len(ids), unit)} by {by.name}, mean of {', '.join(labels)}"
    if left := len(table) - len(ids):
        how += f"; {counted(left, unit)} that a model failed or without a finite {by.name} left out"
    return Picked(tuple(ids[place] for place in places), how)
