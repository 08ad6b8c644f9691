"""A study's score for the terminal."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from reports.schema.study_score import StudyScore
from reports.study import view

WIDE = (
    "votes alone",
    "mixed model",
    "nobody left out",
    "p",
    "Kendall",
    "behind the best",
)  # columns that only the page has


def console(score: StudyScore) -> Group:
    """Return tables, the metrics that agree best with people, and notes."""
    parts: list[RenderableType] = [Text(score.name, style="bold"), *map(Text, view.head(score))]
    parts += [_table(section) for section in view.sections(score)]
    parts += [Text(line, style="bold") for line in view.trusted(score)]
    return Group(*parts, *(Text(line, style="dim") for line in view.notes(score)))


def _table(section: view.Section) -> Table:
    table = Table(title=escape(section.title), box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), caption=escape(section.note))
    shown = [place for place, name in enumerate(section.heads) if name not in WIDE]
    for place in shown:
        words = place == 0 or section.words
        table.add_column(section.heads[place], justify="left" if words else "right", no_wrap=not words, overflow="fold")
    rows = section.rows[: view.MANY] if section.name.startswith("metrics") else section.rows
    for number, row in enumerate(rows):
        table.add_row(*(Text(row[place]) for place in shown), style="bold" if number in section.strong else "")
    if len(rows) < len(section.rows):
        table.add_row(Text(f"and {len(section.rows) - len(rows)} more, on the page", style="dim"))
    return table
