"""Tables of finished runs: one per evaluation question, one column per signature."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bench.run.manifest import essence
from bench.view.shelf import Shelved
from reports.run import caveats
from reports.run.view import Cell, Column, heading
from reports.schema.manifest import Prepared

# Parts of a manifest that runs of one question may differ in.
OF_MODELS = ("models", "metrics", "seeds", "plugins")
DESCENDING = "-"  # prefix of a sort key


@dataclass(frozen=True)
class Wanted:
    """What a reader selects; empty: everything. sort: ``run``, ``model`` or a column's id; ``-``: descending."""

    text: str = ""
    protocol: str = ""
    model: str = ""
    metric: str = ""
    sort: str = ""
    bounds: bool = True

    def has(self, run: Shelved, model: str | None) -> bool:
        """Return whether a row of a run, or a run without rows, is selected."""
        known = run.manifest
        if self.protocol and (known is None or known.protocol.name != self.protocol):
            return False
        models = known.labels if known else []
        if self.model and self.model not in ([model] if model is not None else models):
            return False
        said = [run.name, *([known.protocol.name, " ".join(known.command)] if known else []), model or " ".join(models)]
        return self.text.lower() in "\n".join(said).lower()


@dataclass(frozen=True)
class Place:
    """A cell of the table. best: of all shown models in its column, except bounds."""

    cell: Cell
    best: bool = False

    @property
    def value(self) -> float | None:
        """Return the mean; infinite where all values are."""
        row = self.cell.row
        return math.inf if row.mean is None and row.n_infinite else row.mean


@dataclass(frozen=True)
class Line:
    """A model of a run. mark: of its weights, in words. cells: by column's id."""

    run: Shelved
    model: str
    bound: bool
    mode: str | None
    mark: str | None
    cells: dict[str, Place]

    @property
    def pick(self) -> str:
        """Return its id in an address."""
        return f"{self.run.id}:{self.model}"


@dataclass(frozen=True)
class Group:
    """Rows with comparable numbers: one protocol, one list, one set of frames.

    columns: id to column, one signature each. several: metrics with more than one column here.
    sample: whether the data are the sample set. unknown: whether the frames were not recorded.
    failed: whether something failed, so that means are over different pairs.
    """

    id: str
    title: str
    protocol: str
    pairs: str
    sha256: str
    n: int
    unit: str
    sample: bool
    unknown: bool
    failed: bool
    columns: dict[str, Column]
    lines: tuple[Line, ...]
    several: tuple[str, ...]


def groups(runs: Sequence[Shelved], wanted: Wanted) -> list[Group]:
    """Return the tables of the finished runs, the one with the newest run first."""
    found: dict[str, list[Shelved]] = {}
    for run in sorted((run for run in runs if run.state == "complete"), key=_created, reverse=True):
        assert run.manifest is not None
        found.setdefault(_question(run, run.manifest), []).append(run)
    made = (_group(id_, own, wanted) for id_, own in found.items())
    return [group for group in made if group.lines]


def column_id(signature: str) -> str:
    """Return the id of a column in an address."""
    return hashlib.sha256(signature.encode()).hexdigest()[:12]


def _created(run: Shelved) -> str:
    return run.manifest.created if run.manifest else ""


def _question(run: Shelved, manifest: Prepared) -> str:
    """Return the hash of all that two runs must have in common for comparable numbers."""
    question = {key: value for key, value in essence(manifest).items() if key not in OF_MODELS}
    if manifest.data_sha256 is None:  # of an earlier release: its frames are unknown
        question["run"] = run.id
    return hashlib.sha256(json.dumps([question, manifest.sample_data], sort_keys=True).encode()).hexdigest()[:12]


def _group(id_: str, runs: Sequence[Shelved], wanted: Wanted) -> Group:
    columns: dict[str, Column] = {}
    lines = []
    for run in runs:
        assert run.manifest is not None and run.table is not None
        names = [column_id(column.metric.signature) for column in run.table.columns]
        shown = [wanted.metric in ("", column.name, column.metric.family) for column in run.table.columns]
        columns |= {name: column for name, column, show in zip(names, run.table.columns, shown) if show}
        for row in run.table.rows:
            if wanted.has(run, row.model) and (wanted.bounds or not row.bound):
                entry = run.manifest.model(row.model)
                cells = {name: Place(cell) for name, cell, show in zip(names, row.cells, shown) if show}
                lines.append(Line(run, row.model, row.bound, entry.mode, caveats.weights_mark(entry), cells))
    ordered = dict(sorted(columns.items(), key=lambda item: _place(item[1])))
    names = [column.name for column in ordered.values()]
    manifest = runs[0].manifest
    assert manifest is not None
    return Group(
        id=id_,
        title=heading(manifest),
        protocol=manifest.protocol.name,
        pairs=manifest.pairs.name,
        sha256=manifest.pairs.sha256,
        n=manifest.pairs.n,
        unit=manifest.unit,
        sample=manifest.sample_data,
        unknown=manifest.data_sha256 is None,
        failed=any(place.cell.row.failed for line in lines for place in line.cells.values()),
        columns=ordered,
        lines=tuple(_sorted(_ranked(lines, ordered), ordered, wanted.sort)) if ordered else (),
        several=tuple(dict.fromkeys(name for name in names if names.count(name) > 1)),
    )


def _place(column: Column) -> tuple[float, bool, str, str]:
    order = column.metric.order
    return math.inf if order is None else order, column.metric.proxy, column.name, column.metric.signature


def _ranked(lines: Sequence[Line], columns: dict[str, Column]) -> list[Line]:
    """Return the lines with the best of every column marked; a column with one model has none."""
    best: dict[str, float] = {}
    for name, column in columns.items():
        values = [line.cells[name].value for line in lines if not line.bound and name in line.cells]
        known = [value for value in values if value is not None]
        if len(known) > 1:
            best[name] = max(known) if column.metric.higher_is_better else min(known)

    def marked(line: Line, name: str, place: Place) -> Place:
        return replace(place, best=name in best and not line.bound and place.value == best[name])

    return [
        replace(line, cells={name: marked(line, name, place) for name, place in line.cells.items()}) for line in lines
    ]


def _sorted(lines: list[Line], columns: dict[str, Column], sort: str) -> list[Line]:
    """Sort by run, model or a column; rows without a number there come last in either direction."""
    descending, by = sort.startswith(DESCENDING), sort.removeprefix(DESCENDING)
    text: dict[str, Callable[[Line], str]] = {"run": lambda line: line.run.name, "model": lambda line: line.model}
    if by in text:
        return sorted(lines, key=text[by], reverse=descending)
    if by not in columns:
        return lines
    values = [(line.cells[by].value if by in line.cells else None, line) for line in lines]
    known = [(value, line) for value, line in values if value is not None]
    known.sort(key=lambda one: one[0], reverse=descending)
    return [line for _, line in known] + [line for value, line in values if value is None]
