"""Compare a run with a reference file, metric by metric and pair by pair.

Exact mode: the same pairs with the same inputs; a pair that changed by more than its metric's tolerance, in either
direction, is drift. Statistical mode: on the common pairs, a metric is worse if its mean worsened by more than the
tolerance and noise does not explain it: the share of nested bootstrap resamples of the paired differences (see
`bench.stats.resampling`) without worsening, Holm-corrected over all models and metrics, is below
`bench.drift.modes.ALPHA`. A pair that lost its value counts as the worst value of any model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.drift.modes import exact, statistical
from bench.drift.reference import Record, RunRecord
from bench.drift.row import Column, Row
from bench.drift.rules import common_pairs, refuse_incomparable

Mode = Literal["exact", "statistical"]


@dataclass(frozen=True)
class Result:
    """The result of a check. rows: by model, then metric. n: compared pairs. notices: for the reader."""

    mode: Mode
    protocol: str
    rows: tuple[Row, ...]
    n: int
    notices: tuple[str, ...]

    @property
    def failures(self) -> list[Row]:
        return [row for row in self.rows if row.failed]


def check(
    reference: Record,
    run: RunRecord,
    mode: Mode = "statistical",
    models: Sequence[str] | None = None,
    tolerances: Mapping[str, float] | None = None,
) -> Result:
    """Compare a run with a reference.

    models: only these; default: all of the reference. tolerances: by metric, instead of the reference's.
    Raises UserError, naming the difference, if the two cannot be compared: signatures, protocol or motion mode differ;
    in exact mode also pairs or inputs.
    """
    tolerances = tolerances or {}
    refuse_incomparable(reference, run.record, mode, models, tolerances)
    labels = sorted(models or reference.models)
    pairs, notices = common_pairs(reference, run.record, mode, labels)
    both = run.record.models.keys() & labels
    rows = [
        Row(model, metric, "missing")
        for model in labels
        for metric in reference.metrics
        if model not in both or metric not in run.record.metrics
    ]
    columns = [column for model in sorted(both) for column in _columns(reference, run, model, pairs, mode, tolerances)]
    if columns:
        rows += exact(columns) if mode == "exact" else statistical(columns, run.pairs.loc[pairs])
    if not models:
        rows += _new(reference, run.record)
    rows = sorted(rows, key=lambda row: (row.model, row.metric))
    return Result(mode, str(reference.protocol["name"]), tuple(rows), len(pairs), tuple(notices))


def _columns(
    reference: Record, run: RunRecord, model: str, pairs: list[str], mode: Mode, tolerances: Mapping[str, float]
) -> list[Column]:
    before, now = (record.table(model).reindex(pairs) for record in (reference, run.record))
    reasons = run.reasons.loc[model].reindex(pairs)
    return [
        Column(
            model,
            name,
            metric.higher_is_better,
            tolerances.get(name, getattr(metric.tolerance, mode)),
            tuple(pairs),
            before[name].to_numpy(),
            now[name].to_numpy(),
            tuple(reason if isinstance(reason, str) else None for reason in reasons[name]),
        )
        for name, metric in sorted(reference.metrics.items())
        if name in run.record.metrics
    ]


def _new(reference: Record, run: Record) -> list[Row]:
    return [
        Row(model, metric, "new")
        for model in run.models
        for metric in run.metrics
        if model not in reference.models or metric not in reference.metrics
    ]
