"""Numbers with nouns, for messages."""

from __future__ import annotations


def counted(number: int, what: str, several: str | None = None) -> str:
    """Return a number with its noun: ``1 clip``, ``2 clips``.

    what: the noun in the singular. several: its plural if that is not the singular with an s.
    """
    return f"{number} {what if number == 1 else several or what + 's'}"
