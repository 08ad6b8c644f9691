"""Failures by their reason, as a terminal shows them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

Name = TypeVar("Name")
SHOWN = 5  # reasons of one model; where each pair has its own (a missing file), thousands of lines would tell no more


def by_reason(failed: Iterable[tuple[Name, str]]) -> list[tuple[list[Name], str]]:
    """Names with one reason, in the order in which reasons come up; those after the first `SHOWN` in one entry."""
    groups: dict[str, list[Name]] = {}
    for name, reason in failed:
        groups.setdefault(reason, []).append(name)
    entries = [(names, reason) for reason, names in groups.items()]
    if len(entries) <= SHOWN + 1:
        return entries
    shown, others = entries[:SHOWN], entries[SHOWN:]
    names = [name for some, _ in others for name in some]
    return [*shown, (names, f"{others[0][1]}, and {len(others) - 1} other reasons")]
