"""The table at the end of a run, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from reports.view import Cell, Column, ModelRow, percent, summary_table


def table(summary: Mapping[str, Any], manifest: Mapping[str, Any]) -> Table:
    """Metrics down, models across (a terminal is narrow): mean and interval, n and failures where any pair failed."""
    view = summary_table(summary, manifest)
    pairs = manifest["pairs"]["n"]
    drawn = Table(
        title=escape(f"{manifest['protocol']['name']}: mean and 95 % interval, n {pairs} where nothing else is said"),
        caption=escape("\n".join(_notes(summary, manifest))),
        box=box.SIMPLE_HEAD,
        caption_justify="left",
    )
    drawn.add_column("metric", no_wrap=True)
    for row in view.rows:
        drawn.add_column(_model(row, manifest), justify="right", overflow="fold")
    for position, column in enumerate(view.columns):
        drawn.add_row(_metric(column), *(_cell(row.cells[position]) for row in view.rows))
    return drawn


def _metric(column: Column) -> Text:
    text = Text(f"{column.name} {column.arrow}")
    if column.metric["proxy"]:
        text.append("\nproxy", style="dim")
    return text


def _model(row: ModelRow, manifest: Mapping[str, Any]) -> Text:
    text = Text(row.model, style="dim" if row.bound else "bold")
    if any(model["name"] == row.model and model.get("sample_weights") for model in manifest["models"]):
        text.append("\nsample weights", style="yellow not bold")
    return text


def _cell(cell: Cell) -> Text:
    style = {"best": "bold green", "second": "underline"}.get(cell.rank, "")
    text = Text(cell.mean, style=style)
    plain = "not bold not underline dim"
    low, _, high = cell.interval[1:-1].partition(", ")
    if low != high:
        text.append(f"\n{low}–{high}", style=plain)  # narrow: four models in 80 columns
    if cell.row["failed"]:
        failed = f"\nn {cell.row['n']}, {percent(cell.row['failure_rate'])} failed"
        text.append(failed, style="not bold not underline yellow")
    if 0 < cell.row["n_infinite"] < cell.row["n"]:
        text.append(f"\n{cell.row['n_infinite']} × ∞ left out", style=plain)
    return text


def _notes(summary: Mapping[str, Any], manifest: Mapping[str, Any]) -> list[str]:
    notes = ["best in bold, second-best underlined; copy-source and copy-target are bounds and are not ranked"]
    if manifest["sample_data"]:
        notes.append("SAMPLE DATA: not comparable with a paper")
    return notes + list(summary["notices"])
