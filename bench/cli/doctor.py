"""`python -m bench doctor`: what is installed, what is missing, and where to put it."""

from __future__ import annotations

from typing import Annotated

import typer

from bench.cli.options import Weights
from bench.cli.output import terminal
from bench.runtime import config


def doctor(
    weights: Weights = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also list what is installed, and where each missing file comes from.")
    ] = False,
) -> None:
    """Report the machine, the detectors that a run would use, and what is missing."""
    from bench.info.doctor import render

    render(terminal(), config.load((), weights).weights, everything)
