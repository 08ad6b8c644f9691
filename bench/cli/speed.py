"""`python -m bench speed`: what models, metrics and detectors cost on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from baselines.spec import split_names
from bench.cli.options import Weights
from bench.cli.output import terminal
from bench.runtime import config


def speed(
    models: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated names; default: the papers' models that can be trained here, or have weights here."
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Pairs in each measurement; of a clip four frames for each.")] = 8,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; the median is reported.")] = 5,
    parts: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated: models, pixels, perceptual, detectors, clips, and forms: bfloat16 and compiled "
            "code, with what they do to the metrics (by default with a GPU only; exit code 1 if one leaves it)."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Markdown file to write.")] = Path("speed.md"),
    weights: Weights = None,
) -> None:
    """Measure models, metrics and detectors on this machine, beside the usual libraries."""
    from bench.speed.command import default_models, run

    settings = config.load((), weights)
    asked = default_models(settings.weights) if models is None else split_names(models)
    chosen = None if parts is None else split_names(parts)
    if run(asked, settings, limit, rounds, out, terminal(), chosen):
        raise typer.Exit(1)
