"""Run the web server of a study, and print its address."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from bench.study import invitations
from bench.study.folder import load
from bench.web import serving


def serve(folder: Path, host: str, port: int, url: str | None, console: Console) -> None:
    """Serve a study until the process is stopped. Raises UserError."""
    load(folder)
    try:
        from bench.study.server import app
    except ImportError as error:
        raise serving.missing(error, "serving a study", "study") from None
    made = app(folder)
    listening = serving.listen(host, port)
    try:
        base = (url or serving.address(host, listening.getsockname()[1])).rstrip("/")
        with made.state.service.store.reading() as reader:
            count = len(reader.votes())
        _print_address(folder, base, count, console)
        serving.run(made, listening)
    finally:
        listening.close()
        made.state.service.store.close()


def _print_address(folder: Path, base: str, answers: int, console: Console) -> None:
    """Print the address. answers: number of stored ones; an unexpected 0 means that the database was lost."""
    found = invitations.read(folder)

    def line(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    line(f"organizer, with all {len(found.raters)} invitations: {base}/o/{found.organizer}/")
    line(f"first rater: {base}/r/{found.raters[0].token}/")
    line(f"answers so far: {answers}; stop with Ctrl-C; answers are saved, and raters resume where they stopped")
