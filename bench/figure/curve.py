"""Means of a metric by the difficulty of pairs, with the report's confidence intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from bench.comparison.difficulty import of_still
from bench.comparison.load import Run
from bench.runtime.errors import UserError
from bench.stats.intervals import ONE_PERSON
from bench.stats.summary import RESAMPLES, summarize
from protocols.names import STILL
from protocols.words import counted
from reports.figure.curves import Panel, Point
from reports.run.view import Column
from reports.schema.manifest import MetricEntry

CURVES = ("scale", "pose")
LEAST = 8  # pairs in a bin


def difficulty(run: Run, kind: str) -> tuple[str, pd.Series]:
    """Return the axis's label and the difficulty of each pair (index: key). Raises UserError if the run has none.

    scale: factor by which the driving face is stretched, geometric mean of height and width. pose: head turn from
    source to driving frame, which is the head-pose error of the bound ``copy-source``.
    """
    rows = run.samples.drop_duplicates("key").set_index("key")
    if kind == "pose":
        if (found := of_still(run, rows.index, "prmse")) is None:
            raise UserError(
                f"--curve pose: the run has no head pose of {STILL}; run with --bounds and the metric prmse",
                code="no-metric",
            )
        metric, turn = found
        return f"head turn, {metric.unit} ({metric.name} of {STILL})", turn
    factors = (rows["alpha"].astype(float) * rows["beta"].astype(float)) ** 0.5
    if factors.nunique() < 2:
        raise UserError("--curve scale: no driving frame of this run is stretched", code="wrong-protocol")
    return "scale factor of the driving face", factors


def panels(
    run: Run,
    hard: pd.Series,
    labels: Sequence[str],
    metrics: Sequence[MetricEntry],
    bins: int,
    titles: Mapping[str, str],
) -> tuple[list[Panel], list[str]]:
    """Return a panel per metric, and lines about the bins.

    hard: by key. Bins have equal numbers of pairs, and are the same for every model. Intervals are those of
    `bench.stats.summary` over the pairs of a bin: clustered by identity.
    """
    known = hard.dropna().sort_values(kind="stable")
    if len(known) < bins * LEAST:
        raise UserError(
            f"--bins {bins} needs {bins * LEAST} pairs with a value on the axis, {LEAST} per bin; "
            f"this run has {len(known)}",
            code="too-few-pairs",
        )
    lines = [f"{len(known)} of {len(hard)} pairs in {bins} bins of equal size; each mark is at the mean of its bin."]
    points: dict[str, dict[str, list[Point]]] = {metric.name: {label: [] for label in labels} for metric in metrics}
    notices: dict[str, None] = {}
    for part in np.array_split(np.arange(len(known)), bins):
        keys = known.index[part]
        rows = run.samples[run.samples["key"].isin(keys) & run.samples["model"].isin(labels)]
        summary = summarize(rows.drop(columns="key"), metrics, run.manifest.seeds.run, RESAMPLES)
        notices |= dict.fromkeys(summary.notices)
        x = float(known.iloc[part].mean())
        people = min(side.effective_identities for side in (summary.clusters.source, summary.clusters.driving))
        for (label, name), row in summary.by_model().items():
            bounds = (None, None) if people < ONE_PERSON else (row.ci_low, row.ci_high)
            points[name][label].append(Point(x, row.mean, *bounds, row.n, row.n_total))
        line = f"Bin {known.iloc[part[0]]:.4g} to {known.iloc[part[-1]]:.4g}: {counted(len(part), 'pair')}"
        line += f" of {rows['driving_identity'].nunique()} driving people"
        lines.append(line + (": too few for an interval, hollow marks." if people < ONE_PERSON else "."))
    made = [
        Panel(Column(metric), {titles[label]: tuple(line) for label, line in points[metric.name].items()})
        for metric in metrics
    ]
    for panel in made:
        for title, own in panel.lines.items():
            lines.append(f"{panel.column.name}, {title}: " + "; ".join(map(_words, own)))
    return made, lines + [f"In some bins: {notice}." for notice in notices]


def _words(point: Point) -> str:
    if point.mean is None:
        return f"at {point.x:.4g} none (n 0 of {point.total})"
    interval = "" if point.low is None else f" [{point.low:.4g}, {point.high:.4g}]"
    return f"at {point.x:.4g} {point.mean:.4g}{interval} (n {point.n} of {point.total})"
