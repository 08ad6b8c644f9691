"""Text that a command gives: to a file that the user names, or to standard output."""

from __future__ import annotations

from pathlib import Path

import typer

from bench.errors import UserError


def give(text: str, out: Path | None) -> None:
    """Write a text to the file of ``--out``, or print it as it is. Raises UserError where it cannot be written."""
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"--out {out}: cannot be written ({error.strerror or error})") from None
