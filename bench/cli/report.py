"""`python -m bench report`: a finished run as a page, or its table for a paper."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from baselines.spec import split_names
from bench.cli.options import Weights
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
    metrics: Annotated[
        str | None, typer.Option(help="Comma-separated; the table's columns, by name or family. Default: all.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File for the table; default: standard output.")] = None,
    gallery: Annotated[
        bool, typer.Option("--gallery", help="Also a page of many pairs of every model, gallery.html.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="With --gallery: how many pairs; default: 24.")] = None,
    weights: Weights = None,
    data: Annotated[
        list[str] | None, typer.Option(help="With --gallery: root of a data set, NAME=PATH; default: as in the run.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="With --gallery: cpu, cuda, cuda:1; default: a GPU if there is one.")
    ] = None,
) -> None:
    """Write the report of a finished run again, a gallery of it, or its table for a paper."""
    from bench.run.command import redraw

    if not gallery and (limit or weights or data or device):
        raise UserError("--limit, --weights, --data and --device are for --gallery", code="unused-option")
    if gallery and (format != "html" or single_file or metrics or out):
        raise UserError(
            "--gallery is a page in the run's folder: leave --format, --single-file, --metrics and --out out",
            code="conflicting-options",
        )
    if format not in FORMATS:
        raise UserError(f"--format {format}: choose one of {', '.join(FORMATS)}", code="unknown-choice")
    if single_file and format != "html":
        raise UserError("--single-file is for the page, not for tables", code="unused-option")
    if format == "html":
        if out:
            raise UserError("--out is for tables: the page lies in the run's folder, report.html", code="unused-option")
        if metrics:
            raise UserError("--metrics is for tables: the page has all of the run's", code="unused-option")
        page = _gallery(run, limit, data or (), weights, device) if gallery else None
        typer.echo(f"report: {redraw(run, single_file)}")
        if page:
            typer.echo(f"gallery: {page}")
        return
    give(_table(run, format, split_names(metrics.lower()) if metrics else None), out)


def _gallery(run: Path, limit: int | None, data: Sequence[str], weights: Path | None, device: str | None) -> Path:
    from bench.cli.again import beginner, can_compute
    from bench.figure import gallery
    from bench.rundir.directory import RunDirectory

    begin = beginner(data, weights, device)
    return gallery.write(run, limit or gallery.COUNT, begin, can_compute(RunDirectory(run).complete()))


def _table(run: Path, format: str, names: list[str] | None) -> str:
    from bench.rundir.directory import RunDirectory, readable
    from reports.run import export

    write = {"md": export.markdown, "latex": export.latex, "csv": export.csv_table}[format]
    directory = RunDirectory(run)
    with readable(run):
        manifest, _ = directory.finished()
        summary, known = directory.summary(manifest), manifest.measured
        if unknown := [name for name in names or () if not any(name in (one.name, one.family) for one in known)]:
            raise UserError(
                f"--metrics {','.join(unknown)}: the run has {', '.join(one.name for one in known)}",
                code="unknown-metric",
            )
        return write(*(export.only(summary, manifest, names) if names else (summary, manifest)))
