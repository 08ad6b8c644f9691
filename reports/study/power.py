"""Expected intervals by number of raters, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.table import Table

from reports.run.view import number

# kind of study → unit of its intervals, and fields of `bench.study.scoring.power.Expected` → heads
COLUMNS = {
    "acr": ("grades", {"half": "mean ±", "half_difference": "difference ±"}),
    "ccr": ("grades", {"half": "CMOS ±"}),
    "preference": ("logits", {"half": "strength ±", "half_difference": "difference ±"}),
}


def table(expected: Sequence[Mapping[str, float]], kind: str, effect: str) -> Table:
    """Return one row per number of raters. expected: fields of `bench.study.scoring.power.Expected`."""
    unit, intervals = COLUMNS[kind]
    made = Table(title=f"Expected 95 % intervals, in {unit}", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("raters", "votes", *intervals.values(), f"{effect} found"):
        made.add_column(name, justify="right")
    for row in expected:
        halves = [number(row[name], 2) for name in intervals]
        made.add_row(f"{row['raters']:.0f}", f"{row['votes']:.0f}", *halves, f"{100 * row['found']:.0f} %")
    return made
