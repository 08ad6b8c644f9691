"""`python -m bench verify`: compare the networks with golden numbers of the official code."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.output import terminal


def verify(folders: Annotated[list[Path], typer.Argument(help="Folders with spec.json and golden.npz.")]) -> None:
    """Compare the networks with golden numbers computed with the official code."""
    from bench.parity.verify import run

    raise typer.Exit(run(folders, terminal()))
