"""The first sentence of a report: whether the models are better than the lower bounds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from protocols.names import STILL, TEMPLATE
from protocols.words import counted
from reports.run.view import Column, SummaryTable
from reports.schema.summary import Comparison, Summary

LOWER = (STILL, TEMPLATE)  # bounds that every model should beat
CLEAR = 0.05  # level of significance of Holm-adjusted p


@dataclass(frozen=True)
class Standing:
    """A model against a bound. worse, better: metrics on which its mean is worse or better; on the others they tie.

    clearly_worse, clearly_better: those of them with p below `CLEAR`. of: number of compared metrics. Metrics against
    the source frame are left out: a copy of the source is perfect there.
    """

    model: str
    bound: str
    worse: tuple[Column, ...]
    clearly_worse: tuple[Column, ...]
    better: tuple[Column, ...]
    clearly_better: tuple[Column, ...]
    of: int

    @property
    def loses(self) -> bool:
        """Whether it is clearly worse on a metric, or worse on as many as it is better on."""
        return bool(self.clearly_worse) or 0 < len(self.worse) >= len(self.better)


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
        worse, better = ([one for one in entries if one.better == side] for side in (bound, model))
        made.append(
            Standing(
                model,
                bound,
                worse=_columns(worse, columns),
                clearly_worse=_columns(worse, columns, clearly=True),
                better=_columns(better, columns),
                clearly_better=_columns(better, columns, clearly=True),
                of=len(entries),
            )
        )
    return sorted(made, key=lambda one: -len(one.worse))


def _columns(entries: list[Comparison], columns: Mapping[str, Column], clearly: bool = False) -> tuple[Column, ...]:
    return tuple(columns[one.metric] for one in entries if not clearly or one.p_holm < CLEAR)


def smallest_p(comparisons: Iterable[Comparison]) -> float:
    """Return the smallest Holm-adjusted p that the number of identities allows; 0 without comparisons."""
    return min((min(1.0, entry.p_smallest * entry.family) for entry in comparisons), default=0.0)


def too_few(summary: Summary) -> str | None:
    """Return in words that the run has too few identities for a p below `CLEAR`; None if it has enough."""
    if smallest_p(summary.comparisons) < CLEAR:
        return None
    identities = min(summary.clusters.source.identities, summary.clusters.driving.identities)
    few = counted(identities, "identity", "identities")
    if 2.0 ** (1 - identities) < min(entry.p_smallest for entry in summary.comparisons):
        few = "so few identities with values"
    return f"with {few} no difference can be clear"
