"""The summary table as text, the source of every format (HTML, console, Markdown, LaTeX, CSV)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from reports.schema.manifest import MetricEntry, Prepared
from reports.schema.summary import Ranking, Row, Summary

DECIMALS = 4  # of metrics in runs of earlier releases, which do not record theirs
ORDERED_BY = {"mean": "by mean", "mean_common": "on common {}s", "mean_penalised": "with failures penalized"}
FLOOR = "real halves"  # the row of floors
FLOOR_NOTE = (
    f"{FLOOR}: one half of the real videos against the other, the floor of a set metric; models use the identities of "
    "all real videos, so with few videos they may be below the floor"
)
SPELLED_OUT = 4  # most models whose orders fit a line


@dataclass(frozen=True)
class Column:
    """One metric definition; two definitions never share a column. metric: its entry in the manifest."""

    metric: MetricEntry

    @property
    def name(self) -> str:
        return self.metric.name

    @property
    def arrow(self) -> str:
        return "↑" if self.metric.higher_is_better else "↓"

    @property
    def short(self) -> str:
        """Return the signature's short form without the name, ``v:2|#3aebaeb4``; empty in runs of earlier releases."""
        return self.metric.short.partition("|")[2]

    @property
    def decimals(self) -> int:
        return DECIMALS if self.metric.decimals is None else self.metric.decimals


@dataclass(frozen=True)
class Cell:
    """A mean with its interval and rank. row: its entry in the summary.

    rank: ``best``, ``second`` or empty; also empty if all models have the same mean.
    """

    mean: str
    interval: str
    rank: str
    stable: bool
    row: Row

    @property
    def note(self) -> str:
        """Return n, failures and infinite values in words."""
        parts = [f"n {self.row.n}"]
        if self.row.failed:
            parts.append(f"{self.row.failed} failed ({percent(self.row.failure_rate)})")
        if 0 < self.row.n_infinite < self.row.n:
            parts.append(f"{self.row.n_infinite} × ∞ not in the mean")
        return ", ".join(parts)


@dataclass(frozen=True)
class ModelRow:
    """A model's cells, in the order of the columns. bound: whether it is a bound, which is not ranked."""

    model: str
    bound: bool
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class FloorCell:
    """A set metric between two halves of the real videos. n: of the smaller half."""

    mean: str
    interval: str
    n: int


@dataclass(frozen=True)
class SummaryTable:
    """The main table: one column per metric, one row per model, bounds included.

    floors: a last row, with cells in the columns of set metrics; empty without set metrics.
    """

    columns: tuple[Column, ...]
    rows: tuple[ModelRow, ...]
    floors: tuple[FloorCell | None, ...] = ()

    @property
    def failures(self) -> bool:
        """Return whether anything failed."""
        return any(cell.row.failed for row in self.rows for cell in row.cells)


def heading(manifest: Prepared) -> str:
    """Return the run's title: its protocol, with the data set's name for custom data."""
    return manifest.protocol.title or manifest.protocol.name  # runs of earlier releases have no title


def summary_table(summary: Summary, manifest: Prepared) -> SummaryTable:
    """Return the table of a run: models in the order of the run, bounds last; metrics in the order of the papers."""
    columns = columns_of(manifest)
    rows = summary.by_model()
    models = sorted(summary.models, key=lambda model: model in summary.bounds)
    return SummaryTable(
        columns,
        tuple(
            ModelRow(
                model,
                model in summary.bounds,
                tuple(_cell(rows[model, column.name], column, summary.ranking[column.name]) for column in columns),
            )
            for model in models
        ),
        _floors(summary, columns),
    )


def _floors(summary: Summary, columns: tuple[Column, ...]) -> tuple[FloorCell | None, ...]:
    found = {}
    for floor in summary.floors:
        (column,) = (column for column in columns if column.name == floor.metric)
        low_high = interval(floor.ci_low, floor.ci_high, column.decimals)
        found[floor.metric] = FloorCell(number(floor.value, column.decimals), low_high, floor.n)
    return tuple(found.get(column.name) for column in columns) if found else ()


def ranking_notes(summary: Summary, unit: str = "pair") -> list[str]:
    """Return a line for each metric whose ranking depends on how failures count; empty for earlier releases."""
    lines, said = [], {by: words.format(unit) for by, words in ORDERED_BY.items()}
    for metric, ranking in summary.ranking.items():
        others = ranking.otherwise
        if not others:
            continue
        if len(ranking.order) > SPELLED_OUT:
            words = f"the order differs {' and '.join(said[by] for by in others)}"
        else:
            orders = {"mean": ranking.order} | others
            words = "; ".join(f"{', '.join(order)} {said[by]}" for by, order in orders.items())
        lines.append(f"the ranking by {metric} depends on how failures count: {words}")
    return lines


def columns_of(manifest: Prepared) -> tuple[Column, ...]:
    """Return the metrics that apply: families in the papers' order, the papers' metrics before proxies.

    Runs of earlier releases do not record the order; they use that of the manifest.
    """

    def place(metric: MetricEntry) -> tuple[float, bool]:
        return math.inf if metric.order is None else metric.order, metric.proxy

    return tuple(Column(metric) for metric in sorted(manifest.measured, key=place))


def empty_columns(manifest: Prepared) -> tuple[Column, ...]:
    """Return the requested metrics that this machine could not measure; ``metric.empty`` has the reason."""
    return tuple(Column(metric) for metric in manifest.metrics if metric.empty)


def number(value: float | None, decimals: int, signed: bool = False) -> str:
    """Return a number with a true minus sign; a dash for None. signed: also write a plus sign."""
    if value is None:
        return "–"
    return format(value, f"{'+' if signed else ''}.{decimals}f").replace("-", "−")


def interval(low: float | None, high: float | None, decimals: int, signed: bool = False) -> str:
    """Return ``[low, high]``; empty without an interval."""
    return "" if low is None else f"[{number(low, decimals, signed)}, {number(high, decimals, signed)}]"


def percent(share: float) -> str:
    """Return a share in percent; a small share reads ``< 0.1 %``, never zero."""
    return f"{100 * share:.1f} %" if share == 0 or share >= 0.001 else "< 0.1 %"


def p_value(p: float) -> str:
    """Return a p-value; a small one reads ``< 0.001``, never zero."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _cell(row: Row, column: Column, ranking: Ranking) -> Cell:
    tied = len(ranking.order) > 1 and set(ranking.best) == set(ranking.order)  # all are equal
    rank = "" if tied else next((rank for rank in ("best", "second") if row.model in getattr(ranking, rank)), "")
    infinite = row.mean is None and row.n_infinite > 0
    return Cell(
        "∞" if infinite else number(row.mean, column.decimals),
        interval(row.ci_low, row.ci_high, column.decimals),
        rank,
        ranking.stable,
        row,
    )
