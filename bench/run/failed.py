"""Failures by their reason, as a terminal shows them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeVar

Name = TypeVar("Name", str, int)
SHOWN = 5  # reasons of one model; where each pair has its own (a missing file), thousands of lines would tell no more


def by_reason(failed: Iterable[tuple[Name, str]]) -> list[tuple[list[Name], str]]:
    """Names with one reason, in the order in which reasons come up; those after the first `SHOWN` in one entry.

    Reasons that differ only in their pair's name (``out/0003.png``) are one, with ``<pair>`` in its place.
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
    """A reason without its pair's name; a number may have zeros before it (``out/0000003.png``)."""
    zeros = "0*" if isinstance(name, int) else ""
    return re.sub(rf"(?<=/){zeros}{re.escape(str(name))}(?=\.)", "<pair>", reason)
