"""How many raters give which interval, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.table import Table

from reports.run.view import number


def table(expected: Sequence[Mapping[str, float]], kind: str, asked: str) -> Table:
    """A row a number of raters. expected: fields of `bench.study.scoring.power.Expected`. asked: what is found."""
    unit = "grades" if kind == "acr" else "logits"
    made = Table(title=f"Expected 95 % intervals, in {unit}", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("raters", "votes", "mean ±", "difference ±", f"{asked} found"):
        made.add_column(name, justify="right")
    for row in expected:
        made.add_row(
            f"{row['raters']:.0f}",
            f"{row['votes']:.0f}",
            number(row["half"], 2),
            number(row["half_difference"], 2),
            f"{100 * row['found']:.0f} %",
        )
    return made
