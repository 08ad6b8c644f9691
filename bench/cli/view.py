"""`python -m bench view`: show all runs of a folder in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.output import terminal


def view(
    runs: Annotated[list[Path], typer.Argument(help="Runs, or folders of runs.", metavar="RUNS...")],
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0: all network interfaces.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any free port.")] = 8018,
) -> None:
    """Show runs in the browser, read-only: sort, filter, compare any two, open reports and clips."""
    from bench.view.command import serve

    serve(runs, host, port, terminal())
