"""Run the web server of the viewer, and print its address."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from bench.web import serving


def serve(runs: Sequence[Path], host: str, port: int, console: Console) -> None:
    """Serve the runs below some folders until the process is stopped. Raises UserError."""
    try:
        from bench.view.server import LOOPBACK, app
    except ImportError as error:
        raise serving.missing(error, "bench view", "view") from None
    listening = serving.listen(host, port)
    try:
        local = serving.is_loopback(listening)
        made = app(runs, LOOPBACK if local else ("*",))
        if not local:
            line = f"--host {host}: everybody who reaches this address sees these runs; there is no password"
            console.print(line, style="bold yellow", markup=False, soft_wrap=True)
        line = f"{serving.address(host, listening.getsockname()[1])}/ shows the runs; stop with Ctrl-C"
        console.print(line, markup=False, highlight=False, soft_wrap=True)
        serving.run(made, listening)
    finally:
        listening.close()
