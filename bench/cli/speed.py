"""`python -m bench speed`: measure the speed of models, metrics and detectors on this machine."""

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
            help="Models, comma-separated; default: the papers' models that can be trained or have weights here."
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Pairs per measurement; for clips, four frames per pair.")] = 8,
    rounds: Annotated[int, typer.Option(min=1, help="Number of rounds; the median is reported.")] = 5,
    parts: Annotated[
        str | None,
        typer.Option(
            help="What to measure, comma-separated: models, pixels, perceptual, detectors, clips, forms. forms: "
            "bfloat16 and compiled code, and their effect on the metrics; default on GPUs only, exit code 1 if a "
            "metric leaves its interval."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Markdown file to write.")] = Path("speed.md"),
    weights: Weights = None,
) -> None:
    """Measure the speed of models, metrics and detectors on this machine, next to common libraries."""
    from bench.speed.command import default_models, run

    settings = config.load((), weights)
    names = default_models(settings.weights) if models is None else split_names(models)
    chosen = None if parts is None else split_names(parts)
    if run(names, settings, limit, rounds, out, terminal(), chosen):
        raise typer.Exit(1)
