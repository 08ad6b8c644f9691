"""`python -m bench verify`: the networks beside golden numbers of the official ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.output import terminal


def verify(folders: Annotated[list[Path], typer.Argument(help="Folders with spec.json and golden.npz.")]) -> None:
    """Compare the networks with golden numbers of the official ones."""
    from bench.parity.verify import run

    raise typer.Exit(run(folders, terminal()))
