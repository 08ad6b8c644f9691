"""Text that a command gives: to a file that the user names, or to a terminal."""

from __future__ import annotations

from pathlib import Path

import typer
from rich.console import Console

from bench.runtime.errors import UserError


def terminal(stderr: bool = False) -> Console:
    """Return the console of a command. Names print as they are: rich makes a picture of ``:A:`` by default."""
    return Console(stderr=stderr, emoji=False)


def give(text: str, out: Path | None) -> None:
    """Write a text to the file of ``--out``, or print it as it is. Raises UserError where it cannot be written."""
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"--out {out}: cannot be written ({error.strerror or error})", code="unwritable-file") from None
