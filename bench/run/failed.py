"""Group failures by their reason, for the terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeVar

Name = TypeVar("Name", str, int)
SHOWN = 5  # reasons of one model; each pair may have its own (a missing file), and thousands of lines help nobody


def by_reason(failed: Iterable[tuple[Name, str]]) -> list[tuple[list[Name], str]]:
    """Group names by reason, in the order of first use; those after the first `SHOWN` reasons form one entry.

    Reasons that differ only in the pair's name (``out/0003.png``) are the same, with ``<pair>`` in its place.
    """
    groups: dict[str, list[tuple[Name, str]]] = {}
    for name, reason in failed:
        groups.setdefault(_nameless(name, reason), []).append((name, reason))
    entries: list[tuple[list[Name], str]] = []
    for nameless, group in groups.items():
        first = group[0][1]
        alike = all(reason == first for _, reason in group)
        entries.append(([name for name, _ in group], first if alike else nameless))
    if len(entries) <= SHOWN + 1:
        return entries
    others = entries[SHOWN:]
    names = [name for some, _ in others for name in some]
    return entries[:SHOWN] + [(names, f"{others[0][1]}, and {len(others) - 1} other reasons")]


def _nameless(name: str | int, reason: str) -> str:
    """Return a reason without its pair's name; a number may have leading zeros (``out/0000003.png``)."""
    zeros = "0*" if isinstance(name, int) else ""
    return re.sub(rf"(?<=/){zeros}{re.escape(str(name))}(?=\.)", "<pair>", reason)
