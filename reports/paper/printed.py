"""Parts of a printed table: papers, columns, rows with their cells as printed, notes with their sources."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from protocols.errors import BenchError

NOT_GIVEN = "-"
PRINTED = re.compile(r"-?\d+(\.\d+)?k?")


Kind = Literal[
    "copied",
    "likely-copied",
    "retrained",
    "weights",
    "released",
    "vanished",
    "repeated",
    "bound",
    "definition",
    "toolkit",
    "pairs",
    "disagreement",
    "caption",
    "heading",
    "text",
    "name",
    "oddity",
    "missing",
    "scope",
]


class TableError(BenchError):
    """An unknown table, a run that cannot be read, or inconsistent table data."""

    code = "bad-table"


def invalid(code: str, message: str) -> PydanticCustomError:
    """Return an error of pydantic's with a code (`type`) of its own."""
    return PydanticCustomError(code, "{message}", {"message": message})


class Data(BaseModel):
    """Part of a data file: frozen, without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# Kinds of notes whose cells are not comparable with a measurement, and why.
BLOCKING = {
    "copied": "cell copied from another paper",
    "likely-copied": "cell probably copied from another paper",
    "retrained": "weights of this row are not published",
}


# Kinds that say where a number comes from; such a note names its source.
SOURCED = (
    *("copied", "likely-copied", "retrained", "weights"),
    *("released", "vanished", "repeated", "bound", "disagreement"),
)


class Note(Data):
    """A note for readers. rows (keys) and columns (heads): the cells that it concerns; without both, the table.

    source: where the fact is known from; never empty for the kinds in `SOURCED`.
    """

    kind: Kind
    text: str = Field(min_length=1)
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    source: str = ""

    @model_validator(mode="after")
    def _sourced(self) -> Note:
        if self.kind in SOURCED and not self.source:
            raise invalid("no-source", f"a note of the kind {self.kind} needs a source: {self.text}")
        return self

    @property
    def said(self) -> str:
        """Return text and source, for readers."""
        return f"{self.text} (Source: {self.source}.)" if self.source else self.text

    def holds(self, row: str, column: str) -> bool:
        """Return whether it concerns this cell; a note on whole rows or columns concerns all cells in them."""
        return (not self.rows or row in self.rows) and (not self.columns or column in self.columns)


class Column(Data):
    """A printed column.

    head: as printed. family: metric family. direction: of the printed arrow. definitions: this program's metrics that
    compute it; empty if none does, several if it is unknown which one the paper used. scale: printed number / measured
    number. protocol: if it is not the table's. unfilled: why no run fills it. counts: the part of a model whose
    parameters it prints. question: of the study (`bench study`) that fills it.
    """

    head: str
    family: str
    direction: Literal["up", "down"] | None = None
    unit: str = ""
    scale: float = 1
    definitions: tuple[str, ...]
    protocol: str | None = None
    unfilled: str = ""
    counts: str = ""
    question: str = ""
    notes: tuple[Note, ...]

    @property
    def arrow(self) -> str:
        return {"up": " ↑", "down": " ↓", None: ""}[self.direction]


class Row(Data):
    """A printed row. cite: how the paper cites it. model: its name in this program. group: the printed part it is in.

    values: as printed, `NOT_GIVEN` for a dash. protocol: if it is not the table's.
    against: in ablations, the key of the base row that this one is compared with.
    """

    name: str
    against: str | None = None
    cite: str | None = None
    model: str | None = None
    group: str | None = None
    protocol: str | None = None
    values: tuple[str, ...]

    @property
    def key(self) -> str:
        """Return its name within the table."""
        return f"{self.group}: {self.name}" if self.group else self.name

    @property
    def printed(self) -> tuple[str | None, ...]:
        """Return the values as printed; None for a dash."""
        return tuple(None if value == NOT_GIVEN else value for value in self.values)

    @property
    def numbers(self) -> tuple[float | int | None, ...]:
        """Return the values as numbers; ``177k`` is 177000."""
        return tuple(None if value is None else number(value) for value in self.printed)


class Paper(Data):
    """A paper: title, version, and notes on all its tables. work: the id that all versions share."""

    id: str
    work: str
    title: str
    version: str
    notes: tuple[Note, ...]


class Table(Data):
    """A printed table. number, section: its place. caption: in our words. protocol: None if this program has none."""

    id: str
    paper: Paper
    number: str
    section: str
    caption: str
    protocol: str | None = None
    row_head: str = "Model"
    columns: tuple[Column, ...] = Field(min_length=1)
    rows: tuple[Row, ...] = Field(min_length=1)
    notes: tuple[Note, ...]

    @model_validator(mode="after")
    def _consistent(self) -> Table:
        keys, heads = [row.key for row in self.rows], [column.head for column in self.columns]
        for names in (keys, heads):
            if len(set(names)) < len(names):
                raise invalid("duplicate-name", f"duplicate name in {names}")
        for row in self.rows:
            if len(row.values) != len(heads):
                raise invalid("wrong-length", f"{row.key}: {len(row.values)} values for {len(heads)} columns")
            for value in row.values:
                if value != NOT_GIVEN and not PRINTED.fullmatch(value):
                    raise invalid("not-a-number", f"{row.key}: {value!r} is not a printed number")
        for row in self.rows:
            if row.against is not None and row.against not in (key for key in keys if key != row.key):
                raise invalid("unknown-row", f"{row.key} is compared with {row.against!r}, which is not one of {keys}")
        for note in self.notes:
            for name, known in [*((row, keys) for row in note.rows), *((column, heads) for column in note.columns)]:
                if name not in known:
                    raise invalid("unknown-name", f"a note concerns {name!r}, which is not one of {known}")
        return self

    @property
    def where(self) -> str:
        """Return paper, version, number and section."""
        return f"{self.paper.title}, {self.paper.version}, table {self.number}, section {self.section}".replace(
            "section appendix", "appendix"
        )

    def protocol_of(self, row: Row | None, column: Column) -> str | None:
        """Return the protocol of a cell."""
        return (row.protocol if row else None) or column.protocol or self.protocol

    @property
    def protocols(self) -> tuple[str, ...]:
        """Return the protocols of its cells, each once."""
        found = (self.protocol_of(row, column) for row in self.rows for column in self.columns)
        return tuple(dict.fromkeys(name for name in found if name))

    def notes_of(self, row: Row, column: Column) -> list[Note]:
        """Return the table's notes on a cell."""
        return [note for note in self.notes if note.holds(row.key, column.head) and (note.rows or note.columns)]


def number(printed: str) -> float | int:
    """Return a printed number: an int if it has no decimals; a final k means thousands."""
    if printed.endswith("k"):
        return round(float(printed[:-1]) * 1000)
    return float(printed) if "." in printed else int(printed)


def decimals(printed: str) -> int:
    """Return the number of decimals of a printed number."""
    return len(printed.rstrip("k").partition(".")[2])
