"""The results table in the terminal."""

from __future__ import annotations

from rich import box
from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from protocols.words import counted
from reports.run import caveats
from reports.run.view import (
    FLOOR,
    FLOOR_NOTE,
    Cell,
    Column,
    FloorCell,
    ModelRow,
    SummaryTable,
    empty_columns,
    heading,
    percent,
    ranking_notes,
    summary_table,
)
from reports.schema.manifest import Prepared
from reports.schema.summary import Summary

ROOM = 4  # most models side by side with intervals in 80 columns
MANY = 7  # most models side by side without intervals; more models are rows
ACROSS = 3  # metrics side by side when models are rows


def table(summary: Summary, manifest: Prepared) -> Group:
    """Return a table with metrics as rows and models as columns: mean and interval; n and failures if any pair failed.

    With more than `ROOM` models the intervals are only in the report. More than `MANY` models become rows of several
    tables with `ACROSS` metrics each. Notes are below.
    """
    view = summary_table(summary, manifest)
    wide = len(view.rows) <= ROOM
    what = "mean and 95 % interval" if wide else "mean"
    n = counted(manifest.pairs.n, "clip") if manifest.clips else manifest.pairs.n
    title = escape(f"{heading(manifest)}: {what}, n {n} unless a cell has its own")
    if len(view.rows) > MANY:
        starts = range(0, len(view.columns), ACROSS)
        drawn = [
            _models_down(view, manifest, slice(start, start + ACROSS), None if start else title) for start in starts
        ]
    else:
        drawn = [Table(title=title, box=box.SIMPLE_HEAD)]
        drawn[0].add_column("metric", no_wrap=True)
        for row in view.rows:
            drawn[0].add_column(_model(row, manifest), justify="right", overflow="fold")
        if view.floors:
            drawn[0].add_column(Text(FLOOR.replace(" ", "\n"), style="dim"), justify="right", overflow="fold")
        for position, column in enumerate(view.columns):
            floor = [_floor(cell, wide) for cell in view.floors[position : position + 1]]
            drawn[0].add_row(_metric(column), *(_cell(row.cells[position], wide) for row in view.rows), *floor)
        for column in empty_columns(manifest):
            drawn[0].add_row(Text(f"{column.name} {column.arrow}"), *("–" for _ in view.rows))
    return Group(*drawn, *(Text(note, style="dim") for note in _notes(summary, manifest)))


def _models_down(view: SummaryTable, manifest: Prepared, part: slice, title: str | None) -> Table:
    drawn = Table(title=title, box=box.SIMPLE_HEAD)
    drawn.add_column("model", no_wrap=True)
    for column in view.columns[part]:
        drawn.add_column(_metric(column), justify="right", max_width=16)
    for row in view.rows:
        drawn.add_row(_model(row, manifest), *(_cell(cell, False) for cell in row.cells[part]))
    if any(view.floors[part]):
        drawn.add_row(Text(FLOOR, style="dim"), *(_floor(cell, False) for cell in view.floors[part]))
    return drawn


def _metric(column: Column) -> Text:
    text = Text(f"{column.name} {column.arrow}")
    marks = ["proxy"] if column.metric.proxy else []
    if short := column.metric.short:  # runs of earlier releases have none
        marks.append(short.rpartition("|")[2])
    if marks:
        text.append(f"\n{' '.join(marks)}", style="dim")
    return text


def _model(row: ModelRow, manifest: Prepared) -> Text:
    name = row.model.replace("-", "-\n", 1) if row.bound else row.model  # a narrow column would break inside a word
    text = Text(name, style="dim" if row.bound else "bold")
    mark = next((caveats.weights_mark(model) for model in manifest.models if model.name == row.model), None)
    if mark:
        text.append("\n" + mark.replace(" ", "\n" if mark.startswith("unverified") else " "), style="yellow not bold")
    return text


def _cell(cell: Cell, with_interval: bool) -> Text:
    style = {"best": "bold green", "second": "underline"}.get(cell.rank, "")
    text = Text(cell.mean, style=style)
    plain = "not bold not underline dim"
    if with_interval:
        text.append(_below(cell.interval), style=plain)
    if cell.row.failed:
        failed = f"\nn {cell.row.n}, {percent(cell.row.failure_rate)} failed"
        text.append(failed, style="not bold not underline yellow")
    if 0 < cell.row.n_infinite < cell.row.n:
        text.append(f"\n{cell.row.n_infinite} × ∞ left out", style=plain)
    return text


def _floor(cell: FloorCell | None, with_interval: bool) -> Text:
    if cell is None:
        return Text("–", style="dim")
    return Text(cell.mean + (_below(cell.interval) if with_interval else ""), style="dim")


def _below(interval: str) -> str:
    """Return an interval in its narrow form, below its mean: four models fit 80 columns. Empty if it has no width."""
    low, _, high = interval[1:-1].partition(", ")
    return f"\n{low}–{high}" if low != high else ""


def _notes(summary: Summary, manifest: Prepared) -> list[str]:
    bounds = ", ".join(summary.bounds) or "bounds"
    notes = [f"best in bold, second-best underlined; {bounds} are bounds and are not ranked"]
    notes += [FLOOR_NOTE] if summary.floors else []
    return notes + caveats.lines(manifest) + list(summary.notices) + ranking_notes(summary, manifest.unit)
