"""`python -m bench report`: a finished run as a page, or its table for a paper."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from bench.cli import paper
from bench.cli.options import Weights
from bench.cli.output import give
from bench.runtime.errors import UserError

FORMATS = ("html", *paper.FORMATS)


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
    metrics: paper.Metrics = None,
    models: paper.Models = None,
    names: paper.Names = "labels",
    no_signatures: paper.NoSignatures = False,
    caption: paper.Caption = None,
    width: paper.Width = None,
    marks: paper.Marks = False,
    out: paper.Out = None,
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

    asked = paper.Asked(names, no_signatures, caption, width, marks)
    if format not in FORMATS:
        raise UserError(f"--format {format}: choose one of {', '.join(FORMATS)}", code="unknown-choice")
    if not gallery and (limit or weights or data or device):
        raise UserError("--limit, --weights, --data and --device are for --gallery", code="unused-option")
    if format != "html":
        if single_file or gallery:
            raise UserError("--single-file and --gallery are pages, not tables", code="conflicting-options")
        give(paper.run_table(run, format, asked, models, metrics), out)
        return
    if metrics or models or asked.any or out:
        raise UserError(
            "--metrics, --models, --names, --no-signatures, --caption, --width, --marks and --out are for tables: "
            "pages lie in the run's folder and have all of it",
            code="unused-option",
        )
    if gallery and single_file:
        raise UserError("--single-file is one page, without a gallery", code="conflicting-options")
    page = _gallery(run, limit, data or (), weights, device) if gallery else None
    typer.echo(f"report: {redraw(run, single_file)}")
    if page:
        typer.echo(f"gallery: {page}")


def _gallery(run: Path, limit: int | None, data: Sequence[str], weights: Path | None, device: str | None) -> Path:
    from bench.cli.again import beginner, can_compute
    from bench.figure import gallery
    from bench.rundir.directory import RunDirectory

    begin = beginner(data, weights, device)
    return gallery.write(run, limit or gallery.COUNT, begin, can_compute(RunDirectory(run).complete()))
