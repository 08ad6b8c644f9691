"""Runs the web server of a study, and says where it is."""

from __future__ import annotations

import socket
from pathlib import Path

from rich.console import Console

from bench.runtime.errors import UserError
from bench.study import invitations
from bench.study.folder import load


def serve(folder: Path, host: str, port: int, url: str | None, console: Console) -> None:
    """Serve a study until the process is stopped. Raises UserError."""
    load(folder)
    try:
        import uvicorn

        from bench.study.server import app
    except ImportError as error:
        raise UserError(
            f"serving a study needs {error.name}: pip install 'talking-head-bench[study]'", code="missing-package"
        ) from None
    made = app(folder)
    listening = _listen(host, port)
    try:
        base = (url or _address(host, listening.getsockname()[1])).rstrip("/")
        with made.state.service.store.reading() as reader:
            count = len(reader.votes())
        _tell(folder, base, count, console)
        # No access log: the addresses in it are the raters' secrets, and where they come from is nobody's business.
        settings = uvicorn.Config(made, log_level="warning", access_log=False, server_header=False, lifespan="off")
        uvicorn.Server(settings).run(sockets=[listening])
    finally:
        listening.close()
        made.state.service.store.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(256)
    except OSError as error:
        made.close()
        raise UserError(f"--host {host} --port {port}: {error.strerror or error}", code="bad-value") from None
    return made


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _tell(folder: Path, base: str, answers: int, console: Console) -> None:
    """answers: how many are stored; who finds none where there were some has lost the database."""
    found = invitations.read(folder)

    def line(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    line(f"organizer, with all {len(found.raters)} invitations: {base}/o/{found.organizer}/")
    line(f"first rater: {base}/r/{found.raters[0].token}/")
    line(f"answers so far: {answers}; stop with Ctrl-C, they are kept, and raters go on where they were")
