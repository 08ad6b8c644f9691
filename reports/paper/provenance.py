"""Notes on where printed numbers come from, beyond those of a single table.

Notes in ``data/_provenance.toml`` concern a model or a data set. The others are computed from the tables: cells that
two papers print alike, and PSNR above the limit that the L1 next to it implies.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

from pydantic import Field, model_validator

from protocols import catalogue
from reports.paper.printed import Column, Data, Kind, Note, Row, Table, decimals, invalid, number

ENOUGH = 2  # equal cells in a row that are not a coincidence


class Known(Data):
    """A note on the rows of some models, the columns of some data sets, or the cells of both, in every table."""

    kind: Kind
    text: str = Field(min_length=1)
    source: str = Field(min_length=1)
    models: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _of_something(self) -> Known:
        if not (self.models or self.datasets):
            raise invalid("empty-note", f"a note needs models or datasets: {self.text}")
        return self

    def on(self, table: Table) -> list[Note]:
        """Return the note for a table; empty if the table has no such row or column."""
        rows = [row.key for row in table.rows if row.model in self.models]
        heads = [column.head for column in table.columns if _dataset(table, column) in self.datasets]
        if (self.models and not rows) or (self.datasets and not heads):
            return []
        columns = () if len(heads) == len(table.columns) else tuple(heads)
        return [Note(kind=self.kind, text=self.text, source=self.source, rows=tuple(rows), columns=columns)]


def noted(tables: Sequence[Table], known: Sequence[Known]) -> list[Table]:
    """Return the tables with these notes and the computed ones after their own."""
    return [
        table.model_copy(
            update={
                "notes": (
                    *table.notes,
                    *(note for one in known for note in one.on(table)),
                    *repeated(table, tables),
                    *beyond(table),
                )
            }
        )
        for table in tables
    ]


def repeated(table: Table, tables: Sequence[Table]) -> list[Note]:
    """Return notes on cells that a table of another paper also prints, for the same model and protocol.

    At least `ENOUGH` cells of a row must be equal, to the last decimal that both print.
    """
    others = [other for other in tables if other.paper.work != table.paper.work]
    groups: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = defaultdict(list)  # other tables, columns: rows
    for row in table.rows:
        places: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for other in others:
            for twin in other.rows:
                heads = _equal(table, row, other, twin)
                if row.model and row.model == twin.model and len(heads) >= ENOUGH:
                    places[heads].append(other.id)
        whole = tuple(column.head for column, printed in zip(table.columns, row.printed) if printed)
        for heads, names in places.items():
            groups[tuple(names), () if heads == whole else heads].append(row.key)
    return [
        Note(
            kind="repeated",
            text=f"{', '.join(heads) or 'All printed cells'}: equal in {', '.join(names)} to the last digit that both "
            "print: one measurement, printed twice.",
            rows=tuple(keys),
            columns=heads,
            source=f"computed from {table.id} and {', '.join(names)}",
        )
        for (names, heads), keys in groups.items()
    ]


def beyond(table: Table) -> list[Note]:
    """Return a note on the PSNR column: by how much each row exceeds -20 log10(L1), the maximum for one image."""
    above = excess(table)
    if not above:
        return []
    each = ", ".join(f"{key} {decibels:.1f}" for key, decibels in above.items())
    (head,) = [column.head for column in table.columns if column.family == "psnr"]
    return [
        Note(
            kind="bound",
            text=f"PSNR exceeds -20 log10(L1) of its own row, the maximum for one image, by (dB): {each}.",
            columns=(head,),
            source="computed from the columns PSNR and L1",
        )
    ]


def excess(table: Table) -> dict[str, float]:
    """Return the rows, by key, with a PSNR above -20 log10(L1), and by how many dB."""
    columns = {column.family: place for place, column in enumerate(table.columns)}
    if not {"psnr", "l1"} <= columns.keys():
        return {}
    found = {}
    for row in table.rows:
        psnr, l1 = row.numbers[columns["psnr"]], row.numbers[columns["l1"]]
        if psnr is not None and l1 and (above := psnr + 20 * math.log10(l1)) > 0:
            found[row.key] = above
    return found


def _dataset(table: Table, column: Column) -> str | None:
    name = table.protocol_of(None, column)
    return catalogue.get(name).dataset if name else None


def _equal(table: Table, row: Row, other: Table, twin: Row) -> tuple[str, ...]:
    """Return the heads of a row's columns whose cells are equal in another table's row."""
    heads = []
    for column, printed in zip(table.columns, row.printed):
        for second, again in zip(other.columns, twin.printed):
            alike = (column.family, table.protocol_of(row, column)) == (second.family, other.protocol_of(twin, second))
            if alike and printed and again and _same(printed, column.scale, again, second.scale):
                heads.append(column.head)
    return tuple(heads)


def _same(one: str, scale: float, other: str, other_scale: float) -> bool:
    """Return whether two printed numbers are equal to the last decimal that both print; 76.94 (%) and 0.769 are."""
    places = [decimals(one) + round(math.log10(scale)), decimals(other) + round(math.log10(other_scale))]
    apart = abs(number(one) / scale - number(other) / other_scale)
    return apart <= (0 if places[0] == places[1] else 0.5 * 10 ** -min(places)) + 1e-9
