"""The first sentence of a report: whether the models are better than the lower bounds."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.names import STILL, TEMPLATE
from reports.run.view import Column, SummaryTable
from reports.schema.summary import Comparison, Summary

LOWER = (STILL, TEMPLATE)  # bounds that every model should beat
CLEAR = 0.05  # level of significance of adjusted p


@dataclass(frozen=True)
class Standing:
    """A model against a bound. worse: metrics on which its mean is worse; clear: those of them with p below `CLEAR`.

    of: number of compared metrics. Metrics against the source frame are left out: a copy of the source is perfect
    there.
    """

    model: str
    bound: str
    worse: tuple[Column, ...]
    clear: tuple[Column, ...]
    of: int


def standings(summary: Summary, table: SummaryTable) -> list[Standing]:
    """Return every ranked model against the run's lower bound, those worse on most metrics first."""
    columns = {column.name: column for column in table.columns if column.metric.against != "source"}
    found: dict[tuple[str, str], list[Comparison]] = {}
    for entry in summary.comparisons:
        for model, bound in ((entry.a, entry.b), (entry.b, entry.a)):
            if bound in LOWER and model not in summary.bounds and entry.metric in columns:
                found.setdefault((model, bound), []).append(entry)
    made = []
    for (model, bound), entries in found.items():
        lost = [entry for entry in entries if entry.better == bound]
        clear = [entry for entry in lost if entry.p_holm < CLEAR]
        worse, beyond = (tuple(columns[entry.metric] for entry in some) for some in (lost, clear))
        made.append(Standing(model, bound, worse, beyond, len(entries)))
    return sorted(made, key=lambda one: -len(one.worse))
