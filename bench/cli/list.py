"""`python -m bench list`: the names that the other commands take."""

from __future__ import annotations

from typing import Annotated

import typer

from bench.cli.options import Data, Weights
from bench.cli.output import terminal
from bench.runtime import config


def list_(
    what: Annotated[
        str, typer.Argument(metavar="models|protocols|metrics|datasets", help="models, protocols, metrics or datasets")
    ],
    pattern: Annotated[
        str, typer.Argument(help="Only names like this one; * stands for anything ('lpips*').", show_default=False)
    ] = "*",
    weights: Weights = None,
    data: Data = None,
) -> None:
    """List the names that other commands take, each with a description."""
    from bench.info.listing import table

    terminal().print(table(what, config.load(data or (), weights), pattern.lower(), weights_given=weights is not None))
