"""`python -m bench report`: write the report of a finished run, or its table for a paper."""

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
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    format: Annotated[
        str, typer.Option(help="html (the report in the run's folder), or the table as md, latex or csv.")
    ] = ("html"),
    single_file: Annotated[
        bool,
        typer.Option(
            "--single-file",
            help="Write one self-contained page with small versions of the videos: report-single-file.html.",
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
        bool, typer.Option("--gallery", help="Also write gallery.html, with many pairs of every model.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="With --gallery: number of pairs; default: 24.")] = None,
    weights: Weights = None,
    data: Annotated[
        list[str] | None, typer.Option(help="With --gallery: data set as NAME=PATH; default: as in the run.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="With --gallery: cpu, cuda, cuda:1; default: a GPU if there is one.")
    ] = None,
) -> None:
    """Write a finished run's report again, a gallery, or its table for a paper."""
    from bench.run.command import redraw

    options = paper.TableOptions(names, no_signatures, caption, width, marks)
    if format not in FORMATS:
        raise UserError(f"--format {format}: choose one of {', '.join(FORMATS)}", code="unknown-choice")
    if not gallery and (limit or weights or data or device):
        raise UserError("--limit, --weights, --data and --device need --gallery", code="unused-option")
    if format != "html":
        if single_file or gallery:
            raise UserError("--single-file and --gallery make pages: remove --format", code="conflicting-options")
        give(paper.run_table(run, format, options, models, metrics), out)
        return
    if metrics or models or options.any or out:
        raise UserError(
            "--metrics, --models, --names, --no-signatures, --caption, --width, --marks and --out are for tables: "
            "give --format md, latex or csv",
            code="unused-option",
        )
    if gallery and single_file:
        raise UserError(
            "--single-file has no gallery: give one of --single-file and --gallery", code="conflicting-options"
        )
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
