"""`python -m bench report`: a finished run as a page, or its table for a paper."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.output import give
from bench.runtime.errors import UserError

FORMATS = ("html", "md", "latex", "csv")


def report(
    run: Annotated[Path, typer.Argument(help="A run's folder.")],
    format: Annotated[str, typer.Option(help="html: the page in the run's folder; its table as md, latex or csv.")] = (
        "html"
    ),
    single_file: Annotated[
        bool,
        typer.Option(
            "--single-file", help="One page to send: report-single-file.html, with small versions of the videos inside."
        ),
    ] = False,
    out: Annotated[Path | None, typer.Option(help="File for the table; default: standard output.")] = None,
) -> None:
    """Write the report of a finished run again, or its table for a paper."""
    from bench.run.command import redraw

    if format not in FORMATS:
        raise UserError(f"--format {format}: choose one of {', '.join(FORMATS)}", code="unknown-choice")
    if single_file and format != "html":
        raise UserError("--single-file is for the page, not for tables", code="unused-option")
    if format == "html":
        if out:
            raise UserError("--out is for tables: the page lies in the run's folder, report.html", code="unused-option")
        typer.echo(f"report: {redraw(run, single_file)}")
        return
    give(_table(run, format), out)


def _table(run: Path, format: str) -> str:
    from bench.rundir.directory import RunDirectory, readable
    from reports.run import export

    write = {"md": export.markdown, "latex": export.latex, "csv": export.csv_table}[format]
    directory = RunDirectory(run)
    with readable(run):
        manifest, _ = directory.finished()
        return write(directory.summary(manifest), manifest)
