"""Output of commands: to the file named by the user, or to the terminal."""

from __future__ import annotations

from pathlib import Path

import typer
from rich.console import Console

from bench.runtime.errors import UserError


def terminal(stderr: bool = False) -> Console:
    """Return the console of a command. Emoji are off: rich would replace a name such as ``:A:`` by a picture."""
    return Console(stderr=stderr, emoji=False)


def give(text: str, out: Path | None) -> None:
    """Write text to the file of ``--out``, or print it. Raises UserError if the file cannot be written."""
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"--out {out}: cannot be written ({error.strerror or error})", code="unwritable-file") from None
