"""A paper's table as text with numbered notes, the source of every format (Markdown, LaTeX, HTML)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from reports.paper.causes import Cause
from reports.paper.measured import Cell, Line, Regenerated
from reports.paper.printed import Column, Row, Table, decimals
from reports.paper.seeds import Spread
from reports.run.view import interval, number

SEVERAL = (
    "Over seeds: mean ± standard deviation (n - 1) over trainings with these seeds; differences are taken per seed. "
    "Recorded numbers are from earlier runs whose weights were not kept."
)
ONE = (
    "Rows with sample weights and without a line over seeds are from one training each: two trainings of one network "
    "may differ as much as two such rows."
)


@dataclass(frozen=True)
class Text:
    """Text with the numbers of its notes."""

    text: str
    marks: tuple[int, ...] = ()


@dataclass(frozen=True)
class ViewLine:
    """A line of the table as shown. kind: what its numbers are."""

    kind: Literal["printed", "measured", "difference", "seeds"]
    head: Text
    cells: tuple[Text, ...]


@dataclass(frozen=True)
class TableView:
    """notes: numbered from 1. remarks: notes on the whole table, on its paper, on the runs; signatures."""

    id: str
    title: str
    row_head: str
    heads: tuple[Text, ...]
    lines: tuple[ViewLine, ...]
    notes: tuple[str, ...]
    remarks: tuple[str, ...]


@dataclass
class _Notes:
    """Numbers for notes, in the order of their first use."""

    texts: list[str] = field(default_factory=list)

    def marks(self, texts: Iterable[str]) -> tuple[int, ...]:
        numbers = []
        for text in texts:
            if text not in self.texts:
                self.texts.append(text)
            numbers.append(self.texts.index(text) + 1)
        return tuple(dict.fromkeys(numbers))


def table_view(regenerated: Regenerated) -> TableView:
    """Return the table with its notes: printed rows, and below each the runs' measurements and their differences."""
    table, notes = regenerated.table, _Notes()
    heads = tuple(_head(table, column, notes) for column in table.columns)
    lines: list[ViewLine] = []
    for row in table.rows:
        lines.append(_printed(table, row, notes))
        for line in regenerated.lines:
            if line.row is row:
                lines += [_measured(table, line, notes), _difference(table, line, notes)]
                lines += _over_seeds(table, line, notes)
    lines += [_measured(table, line, notes) for line in regenerated.lines if line.row is None]
    return TableView(
        table.id,
        f"{table.caption} Printed in: {table.where}. Protocol: {_protocols(table)}.",
        table.row_head,
        heads,
        tuple(lines),
        tuple(notes.texts),
        tuple(_remarks(regenerated)),
    )


def _protocols(table: Table) -> str:
    return ", ".join(table.protocols) or "none of this project's"


def _head(table: Table, column: Column, notes: _Notes) -> Text:
    texts = [note.said for note in column.notes]
    texts += [note.said for note in table.notes if column.head in note.columns and not note.rows]
    return Text(column.head + column.arrow, notes.marks(texts))


def _printed(table: Table, row: Row, notes: _Notes) -> ViewLine:
    """Return a printed row. A note on a whole row is marked at its name, a note on some cells at these."""
    head = Text(row.key, notes.marks(note.said for note in table.notes if row.key in note.rows and not note.columns))
    cells = []
    for column, printed in zip(table.columns, row.printed):
        own = [note.said for note in table.notes_of(row, column) if note.rows and note.columns]
        cells.append(Text(printed or "–", notes.marks(own)))
    return ViewLine("printed", head, tuple(cells))


def _measured(table: Table, line: Line, notes: _Notes) -> ViewLine:
    cells = tuple(_mean(table, place, cell, notes) for place, cell in enumerate(line.cells))
    mark = f" ({line.mark})" if line.mark else ""
    said = [*map(_refusal, line.causes), *([f"It is {line.trained.text}."] if line.trained else [])]
    said += [note.said for note in line.notes_of(table)]
    return ViewLine("measured", Text(f"{line.model}{mark}, measured in {line.run}", notes.marks(said)), cells)


def _mean(table: Table, place: int, cell: Cell | None, notes: _Notes) -> Text:
    if cell is None or cell.measured is None:
        return Text("")
    measured, digits = cell.measured, _digits(table, place)
    text = f"{number(measured.value, digits)} {interval(measured.low, measured.high, digits)}".rstrip()
    said = [f"Measured as {measured.short}."]
    if measured.n < measured.n_total:
        said.append(
            f"{measured.n_total - measured.n} of {measured.n_total} pairs have no value; the mean leaves them out."
        )
    return Text(text, notes.marks(said))


def _difference(table: Table, line: Line, notes: _Notes) -> ViewLine:
    cells = []
    for place, cell in enumerate(line.cells):
        if cell is None:
            cells.append(Text(""))
        elif cell.difference is None:
            own = [cause for cause in cell.causes if cause not in line.causes]
            cells.append(Text("–", notes.marks(map(_refusal, own))))
        else:
            value, low, high = cell.difference
            digits = _digits(table, place)
            cells.append(Text(f"{number(value, digits, True)} {interval(low, high, digits, True)}".rstrip()))
    return ViewLine("difference", Text("difference to print"), tuple(cells))


def _over_seeds(table: Table, line: Line, notes: _Notes) -> list[ViewLine]:
    """Return the spread over trainings of the row's network, and of its differences to the base row."""
    lines = []
    against = line.row.against if line.row else None
    for head, spreads, signed in (
        ("over seeds", [cell and cell.spread for cell in line.cells], False),
        (f"less {against}, over seeds", [cell and cell.spread_less for cell in line.cells], True),
    ):
        if found := [one for one in spreads if one]:
            cells = tuple(Text(_spread(table, place, one, signed) if one else "") for place, one in enumerate(spreads))
            starts = dict.fromkeys(f"Started: {_starts(one)}." for one in found if one.starts)
            lines.append(ViewLine("seeds", Text(f"{head} {_seeds(found)}", notes.marks(starts)), cells))
    return lines


def _spread(table: Table, place: int, spread: Spread, signed: bool) -> str:
    digits = _digits(table, place)
    return f"{number(spread.mean, digits, signed)} ± {number(spread.sd, digits + 1)} (n = {len(spread.seeds)})"


def _seeds(spreads: Sequence[Spread]) -> str:
    """Return the seeds, and which of them are recorded: ``1, 2, 3 (recorded: 2, 3)``."""
    seeds, recorded = (
        ", ".join(map(str, sorted({seed for spread in spreads for seed in of(spread)})))
        for of in (lambda one: one.seeds, lambda one: one.recorded)
    )
    return f"{seeds} (recorded: {recorded})" if recorded else seeds


def _starts(spread: Spread) -> str:
    """Return which seeds began from which checkpoint: ``seed 2, 3 from sample checkpoint of fomm``."""
    return "; ".join(f"seed {', '.join(map(str, seeds))} from {start}" for start, seeds in spread.starts)


def _refusal(cause: Cause) -> str:
    return f"Not compared: {cause.text}."


def _digits(table: Table, place: int) -> int:
    return max(decimals(row.values[place]) for row in table.rows)


def _remarks(regenerated: Regenerated) -> Iterable[str]:
    table = regenerated.table
    yield from (note.said for note in table.notes if not note.rows and not note.columns)
    yield from (note.said for note in table.paper.notes)
    if regenerated.lines:
        yield "Measured: mean with its 95 % interval. The error of a printed number is not known."
        spread = {line: any(cell and cell.spread for cell in line.cells) for line in regenerated.lines}
        if any(spread.values()):
            yield SEVERAL
        if any(line.row and line.mark == "sample weights" and not several for line, several in spread.items()):
            yield ONE
        yield from dict.fromkeys(regenerated.notices)
        measured = (cell.measured for line in regenerated.lines for cell in line.cells if cell)
        yield from dict.fromkeys(f"Signature: {one.signature}" for one in measured if one and one.signature)
