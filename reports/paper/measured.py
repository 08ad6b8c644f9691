"""Printed and measured numbers side by side: the content of a table's line."""

from __future__ import annotations

from dataclasses import dataclass

from reports.paper.causes import Cause
from reports.paper.printed import Note, Row, Table, number
from reports.paper.seeds import Spread, TrainingGap


@dataclass(frozen=True)
class Measured:
    """A mean on the printed scale. low, high: its interval, or None. n: pairs with a value, of n_total.

    short: the signature's short form; runs of earlier releases have the metric's name alone.
    """

    metric: str
    signature: str
    short: str
    value: float
    low: float | None
    high: float | None
    n: int
    n_total: int


@dataclass(frozen=True)
class Cell:
    """A printed and a measured number. causes: why they are not compared; empty exactly if there is a `difference`."""

    printed: str | None
    measured: Measured | None
    causes: tuple[Cause, ...]
    spread: Spread | None = None  # over trainings with several seeds, on the printed scale
    spread_less: Spread | None = None  # of the difference to the base row of an ablation (`Row.against`)

    @property
    def difference(self) -> tuple[float, float | None, float | None] | None:
        """Return measured minus printed, with the interval of the measurement; the printed number has no known one."""
        if self.causes or self.measured is None or self.printed is None:
            return None
        printed = number(self.printed)
        low, high = (None if end is None else end - printed for end in (self.measured.low, self.measured.high))
        return self.measured.value - printed, low, high


@dataclass(frozen=True)
class Line:
    """A model of a run, next to the row that it belongs to, if any.

    causes: why nothing of it may be compared with print. cells: None where the run measures nothing for it.
    trained: how its training differs from that of the base row of the ablation; None if it does not.
    """

    row: Row | None
    model: str
    run: str
    causes: tuple[Cause, ...]
    cells: tuple[Cell | None, ...]
    trained: TrainingGap | None = None
    mark: str | None = None  # of its weights: `reports.run.caveats.weights_mark`

    def notes_of(self, table: Table) -> list[Note]:
        """Return the table's notes that explain a measurement: a better checkpoint than print's, missing videos."""
        published_weights = not any(cause.of_weights for cause in self.causes)
        fewer = any(cause.code == "fewer-pairs" for cause in self.causes)
        return [
            note
            for note in table.notes
            if (note.kind == "released" and self.row and self.row.key in note.rows and published_weights)
            or (note.kind == "vanished" and fewer)
        ]


@dataclass(frozen=True)
class Regenerated:
    """A table with what runs measured for it. notices: remarks on whole runs."""

    table: Table
    lines: tuple[Line, ...]
    notices: tuple[str, ...]
