"""The papers' result tables as data: printed values, metric definitions and notes.

``data/`` has one TOML file per table. ``_papers.toml`` and ``_columns.toml`` have what tables share,
``_provenance.toml`` notes on a model's or a data set's printed numbers in all tables.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from reports.paper.printed import Paper, Table, TableError
from reports.paper.provenance import Known, noted

FOLDER = Path(__file__).parent / "data"


def names() -> list[str]:
    """Return the ids of all tables, by paper, in the order of print."""
    return list(_tables())


def published(wanted: Sequence[str] = ()) -> list[Table]:
    """Return tables by id, or all of a paper by its id (``mcnet``, ``mcnet-s``, ``ostnet``, ``memface``), or all.

    Raises TableError, with the closest names, for an unknown name.
    """
    tables = _tables()
    chosen: dict[str, Table] = {}
    for name in wanted or tables:
        found = [table for table in tables.values() if name in (table.id, table.paper.id)]
        if not found:
            near = difflib.get_close_matches(name.lower(), [*tables, *_papers()], n=3, cutoff=0.5)
            hint = f"did you mean {', '.join(near)}?" if near else f"known are {', '.join(tables)}"
            raise TableError(f"unknown table {name}; {hint}", code="unknown-table")
        chosen |= {table.id: table for table in found}
    return list(chosen.values())


def works() -> dict[str, list[str]]:
    """Return every paper with the ids of its versions: the ICLR submission and the ICCV supplement are one paper."""
    found: dict[str, list[str]] = {}
    for paper in _papers().values():
        found.setdefault(paper.work, []).append(paper.id)
    return found


@cache
def _papers() -> dict[str, Paper]:
    return {name: Paper(id=name, **fields) for name, fields in _read(FOLDER / "_papers.toml").items()}


@cache
def _tables() -> dict[str, Table]:
    papers, shared = _papers(), _read(FOLDER / "_columns.toml")
    tables = [_table(file, papers, shared) for file in FOLDER.glob("[!_]*.toml")]
    order = list(papers)
    tables.sort(key=lambda table: (order.index(table.paper.id), table.number))
    known = [Known(**entry) for entry in _read(FOLDER / "_provenance.toml")["note"]]
    return {table.id: table for table in noted(tables, known)}


def _table(file: Path, papers: dict[str, Paper], shared: dict[str, Any]) -> Table:
    fields = _read(file)
    try:
        columns = [
            shared[entry] if isinstance(entry, str) else {**shared[entry.pop("use")], **entry}
            for entry in fields.pop("columns")
        ]
        return Table.model_validate(
            {"id": file.stem, "paper": papers[fields.pop("paper")], "columns": columns, **fields}
        )
    except (KeyError, ValueError) as error:
        raise TableError(f"{file.name}: {' '.join(str(error).split())}") from None


def _read(file: Path) -> dict[str, Any]:
    return tomllib.loads(file.read_text(encoding="utf-8"))
