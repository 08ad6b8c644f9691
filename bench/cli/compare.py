"""`python -m bench compare`: compare two runs, or two models of one run, pair by pair."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli import paper
from bench.cli.output import give, terminal
from bench.runtime.errors import UserError


def compare(
    run_a: Annotated[Path, typer.Argument(help="Folder of a run.")],
    run_b: Annotated[
        Path | None, typer.Argument(help="Folder of another run; default: compare the models of RUN_A with each other.")
    ] = None,
    models: Annotated[
        str | None,
        typer.Option(help="Two models, A,B: A of the first run, B of the second; default: all that both have."),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="HTML page with plots to write.")] = None,
    json: Annotated[Path | None, typer.Option(help="JSON file to write, with all numbers.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed for resampling; default: that of RUN_A.")] = None,
    resamples: Annotated[
        int, typer.Option(min=100, max=1_000_000, help="Number of resamples for confidence intervals.")
    ] = 10_000,
    format: Annotated[str | None, typer.Option(help="Print a table for a paper instead: md, latex or csv.")] = None,
    metrics: paper.Metrics = None,
    names: paper.Names = "labels",
    no_signatures: paper.NoSignatures = False,
    caption: paper.Caption = None,
    width: paper.Width = None,
    out: paper.Out = None,
) -> None:
    """Compare two runs or models on their common pairs, with confidence intervals and p-values."""
    from json import dumps

    from bench.comparison.compare import compare as compared
    from bench.rundir import kept_pictures
    from bench.rundir.directory import RunDirectory
    from reports.comparison import html as compare_html
    from reports.comparison import view as compare_view

    pair = [name.strip() for name in models.split(",")] if models else None
    look = paper.TableOptions(names, no_signatures, caption, width)
    if format:
        paper.check(format, look)
    elif metrics or out or look.any:
        raise UserError(
            "--metrics, --names, --no-signatures, --caption, --width and --out need --format",
            code="unused-option",
        )
    result = compared(run_a, run_b, pair, seed, resamples)
    if format:
        give(paper.comparison(result, [run_a, run_b or run_a], format, look, metrics), out)
    else:
        terminal().print(compare_view.view(result))
    if html:
        for folder in dict.fromkeys((run_a, run_b or run_a)):
            kept_pictures.check(folder, RunDirectory(folder).complete())
        _write(html, "--html", compare_html.page(result, run_a, run_b or run_a))
    if json:
        _write(json, "--json", dumps(result.content(), ensure_ascii=False, allow_nan=False, indent=1) + "\n")


def _write(file: Path, option: str, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"{option} {file}: cannot be written ({error.strerror or error})", code="unwritable-file"
        ) from None
    typer.echo(f"written: {file}")
