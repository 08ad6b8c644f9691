"""The papers' tables as Markdown, LaTeX, HTML, CSV and JSON, as printed or next to runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from reports import table as writer
from reports.paper.measured import Cell, Line, Regenerated
from reports.paper.printed import Column, Row, Table
from reports.paper.seeds import Spread
from reports.paper.view import Text, ViewLine, table_view
from reports.run import page
from reports.table import latex_text, markdown_text

SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
PARTS = (
    *("measured", "low", "high", "difference", "cause"),
    *("seeds_mean", "seeds_sd", "seeds", "less_baseline", "less_baseline_sd", "less_baseline_seeds"),
)
FIELDS = (
    *("table", "paper", "protocol", "row", "model", "column", "printed", "run", "weights", "metric"),
    *(*PARTS, "notes", "signature"),
)


def markdown(tables: Sequence[Regenerated]) -> str:
    """Return pipe tables, each with its notes below."""
    return "\n".join(map(_markdown, tables))


def latex(tables: Sequence[Regenerated]) -> str:
    """Return a booktabs ``tabular`` for each table, with its notes as small print below."""
    return "\n".join(map(_latex, tables))


def html(tables: Sequence[Regenerated]) -> str:
    """Return one self-contained page."""
    views = [table_view(table) for table in tables]
    sections = [(view.id, view.id) for view in views]
    digest = page.digest_of([asdict(view) for view in views])
    return page.draw("tables.html.j2", sections=sections, digest=digest, tables=views) + "\n"


def csv_table(tables: Sequence[Regenerated]) -> str:
    """Return one line per cell: the printed text, the measurement at full precision, why not comparable, notes."""
    return writer.csv_text(FIELDS, (record for table in tables for record in _records(table)))


def json_tables(tables: Sequence[Regenerated]) -> str:
    """Return ``{table: {columns: [...], rows: {name: [values]}, notes: [...]}}``; numbers as numbers, null for none.

    A note has kind, text, source, and the rows and columns that it concerns.
    Beside runs, each column is followed by further ones with its name and one of `PARTS`.
    """
    return json.dumps({table.table.id: _json(table) for table in tables}, ensure_ascii=False, indent=1) + "\n"


FORMATS: dict[str, Callable[[Sequence[Regenerated]], str]] = {
    "md": markdown,
    "html": html,
    "latex": latex,
    "csv": csv_table,
    "json": json_tables,
}


def _markdown(regenerated: Regenerated) -> str:
    view = table_view(regenerated)

    def text(of: Text) -> str:
        marks = " ".join(str(mark).translate(SUPERSCRIPT) for mark in of.marks)
        return f"{markdown_text(of.text)} {marks}".strip()

    def head(line: ViewLine) -> str:
        return text(line.head) if line.kind == "printed" else f"*{text(line.head)}*"

    rows = [[head(line), *map(text, line.cells)] for line in view.lines]
    lines = [f"## {view.id}", "", markdown_text(view.title), ""]
    lines += writer.markdown([view.row_head, *map(text, view.heads)], rows)
    lines += ["", *(f"{place}. {markdown_text(note)}" for place, note in enumerate(view.notes, start=1)), ""]
    lines += [f"- {markdown_text(remark)}" for remark in view.remarks]
    return "\n".join(lines).rstrip() + "\n"


def _latex(regenerated: Regenerated) -> str:
    view = table_view(regenerated)

    def text(of: Text) -> str:
        marks = ",".join(map(str, of.marks))
        return latex_text(of.text) + (rf"\textsuperscript{{{marks}}}" if marks else "")

    def head(line: ViewLine) -> str:
        return text(line.head) if line.kind == "printed" else rf"\quad\emph{{{text(line.head)}}}"

    heads = [latex_text(view.row_head), *map(text, view.heads)]
    lines = [f"% {view.id}: {view.title}"]
    lines += writer.latex([heads], [[head(line), *map(text, line.cells)] for line in view.lines])
    lines += ["", r"{\footnotesize\noindent", latex_text(view.title) + r"\par"]
    lines += [rf"\textsuperscript{{{place}}} {latex_text(note)}\par" for place, note in enumerate(view.notes, start=1)]
    return "\n".join([*lines, *(rf"{latex_text(remark)}\par" for remark in view.remarks), "}", ""])


def _records(regenerated: Regenerated) -> Iterator[dict[str, Any]]:
    table = regenerated.table
    for row, line in _lines(regenerated):
        for place, column in enumerate(table.columns):
            cell = line.cells[place] if line else None
            yield {
                "table": table.id,
                "paper": table.paper.id,
                "protocol": table.protocol_of(row, column),
                "row": row.key if row else None,
                "model": line.model if line else row.model if row else None,
                "column": column.head,
                "printed": row.printed[place] if row else None,
                "run": line.run if line else None,
                "weights": line.mark if line else None,
                "metric": cell.measured.metric if cell and cell.measured else None,
                **dict(zip(PARTS, _parts(cell))),
                "notes": " ".join(_notes(table, row, column)),
                "signature": cell.measured.signature if cell and cell.measured else None,
            }


def _json(regenerated: Regenerated) -> dict[str, Any]:
    table = regenerated.table
    if not regenerated.lines:
        return {
            "columns": [column.head for column in table.columns],
            "rows": {row.key: list(row.numbers) for row in table.rows},
            "notes": _notes_as_data(table),
        }
    columns = [name for column in table.columns for name in (column.head, *(f"{column.head} {p}" for p in PARTS))]
    rows: dict[str, list[Any]] = {}
    for row, line in _lines(regenerated):
        printed = row.numbers if row else (None,) * len(table.columns)
        cells = line.cells if line else (None,) * len(table.columns)
        name = row.key if row else line.model if line else ""
        if line and (not row or name in rows):  # a second model or run next to one row
            name = f"{name} ({line.run})"
        rows[name] = [value for number, cell in zip(printed, cells) for value in (number, *_parts(cell))]
    return {"columns": columns, "rows": rows, "notes": _notes_as_data(table)}


def _lines(regenerated: Regenerated) -> list[tuple[Row | None, Line | None]]:
    """Return every printed row with each of its lines, or with None; then the lines without a row."""
    pairs: list[tuple[Row | None, Line | None]] = []
    for row in regenerated.table.rows:
        pairs += [(row, line) for line in regenerated.lines if line.row is row] or [(row, None)]
    return pairs + [(None, line) for line in regenerated.lines if line.row is None]


def _parts(cell: Cell | None) -> tuple[Any, ...]:
    """Return the values of `PARTS`."""
    if cell is None:
        return (None,) * len(PARTS)
    measured, difference = cell.measured, cell.difference
    numbers = (measured.value, measured.low, measured.high) if measured else (None, None, None)
    spreads = (*_spread(cell.spread), *_spread(cell.spread_less))
    return (
        *numbers,
        difference[0] if difference else None,
        "; ".join(one.text for one in cell.causes) or None,
        *spreads,
    )


def _spread(spread: Spread | None) -> tuple[Any, ...]:
    """Return mean, standard deviation, and the seeds as text: ``1 2r 3r``, r for a recorded number."""
    if spread is None:
        return None, None, None
    return spread.mean, spread.sd, " ".join(f"{s}r" if s in spread.recorded else str(s) for s in spread.seeds)


def _notes(table: Table, row: Row | None, column: Column) -> list[str]:
    own = [note for note in table.notes if row and note.holds(row.key, column.head)]
    return [f"[{note.kind}] {note.said}" for note in (*own, *column.notes, *table.paper.notes)]


def _notes_as_data(table: Table) -> list[dict[str, Any]]:
    """Return every note of a table with its rows and columns; a note without both is on the table or the paper."""
    of_columns = [note.model_copy(update={"columns": (one.head,)}) for one in table.columns for note in one.notes]
    return [note.model_dump(mode="json") for note in (*table.notes, *of_columns, *table.paper.notes)]
