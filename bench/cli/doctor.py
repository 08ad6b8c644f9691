"""`python -m bench doctor`: what is installed, what is missing, and where it belongs."""

from __future__ import annotations

from bench.cli.options import Weights
from bench.cli.output import terminal
from bench.runtime import config


def doctor(weights: Weights = None) -> None:
    """Report what is installed, what is missing, and where it belongs."""
    from bench.info.doctor import render

    render(terminal(), config.load((), weights).weights)
