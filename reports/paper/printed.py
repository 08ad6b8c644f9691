"""What a printed table is made of: papers, columns, rows with their cells as printed, notes with their sources."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

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
    """No such table, a run that cannot be read, or data that contradict themselves."""

    code = "bad-table"


class Data(BaseModel):
    """What is read of a data file: frozen, without fields of other names."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# Kinds of notes whose cells are never compared with a measurement, and why in a few words.
BLOCKING = {
    "copied": "cell copied from another paper",
    "likely-copied": "cell probably copied from another paper",
    "retrained": "weights of this row are not published",
}


# Kinds that say where a number comes from; such a note names its own source.
SOURCED = (
    *("copied", "likely-copied", "retrained", "weights"),
    *("released", "vanished", "repeated", "bound", "disagreement"),
)


class Note(Data):
    """What a reader must know. rows (keys) and columns (heads): cells it holds for; without both, the table.

    source: where it is known from; never empty for the kinds of `SOURCED`.
    """

    kind: Kind
    text: str = Field(min_length=1)
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    source: str = ""

    @model_validator(mode="after")
    def _sourced(self) -> Note:
        if self.kind in SOURCED and not self.source:
            raise ValueError(f"a note of the kind {self.kind} needs a source: {self.text}")
        return self

    @property
    def said(self) -> str:
        """Text and source, for a reader."""
        return f"{self.text} (Source: {self.source}.)" if self.source else self.text

    def holds(self, row: str, column: str) -> bool:
        """Whether it speaks of this cell; a note on whole rows or columns speaks of all cells in them."""
        return (not self.rows or row in self.rows) and (not self.columns or column in self.columns)


class Column(Data):
    """A printed column.

    head: as printed. family: metric family. direction: of the printed arrow. definitions: names of this project's
    definitions that compute it; none where there is none, several where it is not known which one was used.
    scale: printed number / measured number. protocol: where it is not the table's. unfilled: why no run fills it.
    counts: the part of a model whose parameters it prints.
    question: of a study (`bench study`) that fills it.
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
    """A printed row. cite: how the paper cites it. model: its name in this project. group: printed part it stands in.

    values: as printed, `NOT_GIVEN` where the paper has a dash. protocol: where it is not the table's.
    against: the key of the row that an ablation's is set against.
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
        """Its name within the table."""
        return f"{self.group}: {self.name}" if self.group else self.name

    @property
    def printed(self) -> tuple[str | None, ...]:
        """The values as printed, None where none is given."""
        return tuple(None if value == NOT_GIVEN else value for value in self.values)

    @property
    def numbers(self) -> tuple[float | int | None, ...]:
        """The values as numbers; ``177k`` is 177000."""
        return tuple(None if value is None else number(value) for value in self.printed)


class Paper(Data):
    """A paper: title, which version of it, and notes that hold for all its tables. work: what all versions share."""

    id: str
    work: str
    title: str
    version: str
    notes: tuple[Note, ...]


class Table(Data):
    """A printed table. number and section: where. caption: in our words. protocol: None where this project has none."""

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
                raise ValueError(f"a name stands twice in {names}")
        for row in self.rows:
            if len(row.values) != len(heads):
                raise ValueError(f"{row.key}: {len(row.values)} values for {len(heads)} columns")
            for value in row.values:
                if value != NOT_GIVEN and not PRINTED.fullmatch(value):
                    raise ValueError(f"{row.key}: {value!r} is no printed number")
        for row in self.rows:
            if row.against is not None and row.against not in (key for key in keys if key != row.key):
                raise ValueError(f"{row.key} is set against {row.against!r}, the table has {keys}")
        for note in self.notes:
            for name, known in [*((row, keys) for row in note.rows), *((column, heads) for column in note.columns)]:
                if name not in known:
                    raise ValueError(f"a note speaks of {name!r}, the table has {known}")
        return self

    @property
    def where(self) -> str:
        """Paper, version, number and section."""
        return f"{self.paper.title}, {self.paper.version}, table {self.number}, section {self.section}".replace(
            "section appendix", "appendix"
        )

    def protocol_of(self, row: Row | None, column: Column) -> str | None:
        """The protocol of a cell."""
        return (row.protocol if row else None) or column.protocol or self.protocol

    @property
    def protocols(self) -> tuple[str, ...]:
        """The protocols of its cells, each once."""
        found = (self.protocol_of(row, column) for row in self.rows for column in self.columns)
        return tuple(dict.fromkeys(name for name in found if name))

    def notes_of(self, row: Row, column: Column) -> list[Note]:
        """The table's own notes that speak of a cell."""
        return [note for note in self.notes if note.holds(row.key, column.head) and (note.rows or note.columns)]


def number(printed: str) -> float | int:
    """A printed number: an int where no decimals are printed, thousands where it ends in k."""
    if printed.endswith("k"):
        return round(float(printed[:-1]) * 1000)
    return float(printed) if "." in printed else int(printed)


def decimals(printed: str) -> int:
    """Decimals of a printed number."""
    return len(printed.rstrip("k").partition(".")[2])
