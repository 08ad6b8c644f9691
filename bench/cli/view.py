"""`python -m bench view`: all runs of a folder as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.output import terminal


def view(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs, or runs.", metavar="RUNS...")],
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0: all of this machine's.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: one that is free.")] = 8018,
) -> None:
    """Show all runs of folders in the browser: sort, filter, compare any two, open reports and clips; read-only."""
    from bench.view.command import serve

    serve(runs, host, port, terminal())
