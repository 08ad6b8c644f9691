"""`python -m bench tables`: print the papers' result tables, alone or next to runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.output import give
from bench.runtime.errors import UserError

if TYPE_CHECKING:
    from reports.paper.opinions import ScoredStudy
    from reports.paper.printed import Table


def tables(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Tables (mcnet-1a) or papers (mcnet, mcnet-s, ostnet, memface); default: all.", metavar="NAME"
        ),
    ] = None,
    run: Annotated[
        list[Path] | None, typer.Option(help="Folder of a finished run to compare with (repeatable).")
    ] = None,
    study: Annotated[
        list[Path] | None, typer.Option(help="Folder of a scored study that provides opinion scores (repeatable).")
    ] = None,
    format: Annotated[str, typer.Option(help="Format: md, html, latex, csv or json.")] = "md",
    out: Annotated[Path | None, typer.Option(help="File to write; default: print.")] = None,
) -> None:
    """Print the papers' result tables with the source of every number; with --run, next to measured numbers."""
    from reports.paper.compare import regenerate
    from reports.paper.export import FORMATS
    from reports.paper.opinions import read_study
    from reports.paper.tables import published

    if format not in FORMATS:
        raise UserError(f"--format {format}: choose one of {', '.join(FORMATS)}", code="unknown-choice")
    runs, studies = run or [], [read_study(folder) for folder in study or ()]
    chosen = published(names or ())
    if runs or studies:
        for folder in runs:
            _check(folder)
        chosen = _fed(chosen, runs, studies, bool(names))
    give(FORMATS[format]([regenerate(table, runs, studies) for table in chosen]), out)


def _check(folder: Path) -> None:
    """Raise UserError if a run is unfinished, or was changed after it finished."""
    from bench.rundir.directory import RunDirectory

    run = RunDirectory(folder)
    run.summary(run.complete())


def _fed(chosen: list[Table], runs: list[Path], studies: list[ScoredStudy], named: bool) -> list[Table]:
    """Return the tables for which runs or studies have numbers, or all if named. A run without a table is an error."""
    from reports.paper.compare import read_run

    fed: set[str] = set()
    which = "these tables" if named else "the papers' tables"
    for one in studies:
        own = {table.id for table in chosen if one.feeds(table)}
        if not own:
            protocols = ", ".join(one.score.protocols) or "none"
            raise UserError(
                f"{one.name}: its questions on its protocols ({protocols}) are not printed in any of {which}",
                code="wrong-protocol",
            )
        fed |= own
    for folder in runs:
        protocol = read_run(folder).protocol
        own = {table.id for table in chosen if protocol in table.protocols}
        if not own:
            raise UserError(
                f"{folder}: its protocol {protocol} is not printed in any of {which}", code="wrong-protocol"
            )
        fed |= own
    return chosen if named else [table for table in chosen if table.id in fed]
