"""`python -m bench list`: names that the other commands accept."""

from __future__ import annotations

from typing import Annotated

import typer

from bench.cli.options import Data, Weights
from bench.cli.output import terminal
from bench.runtime import config


def list_(
    what: Annotated[
        str,
        typer.Argument(
            metavar="models|protocols|metrics|datasets", help="What to list: models, protocols, metrics or datasets."
        ),
    ],
    pattern: Annotated[
        str, typer.Argument(help="Only names that match; * matches anything ('lpips*').", show_default=False)
    ] = "*",
    weights: Weights = None,
    data: Data = None,
) -> None:
    """List models, protocols, metrics or data sets by the names that other commands accept."""
    from bench.info.listing import table

    terminal().print(table(what, config.load(data or (), weights), pattern.lower(), weights_given=weights is not None))
