"""`python -m bench doctor`: what is installed, what is missing, and where it belongs."""

from __future__ import annotations

from bench.cli.options import Weights
from bench.cli.output import terminal
from bench.runtime import config


def doctor(weights: Weights = None) -> None:
    """What is on this machine, what is missing, and where to put it."""
    from bench.info.doctor import render

    render(terminal(), config.load((), weights).weights)
