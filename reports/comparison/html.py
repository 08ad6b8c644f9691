"""A comparison of two runs, or of two models of one, as one self-contained page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from reports.comparison import pictures
from reports.comparison import view as compare_view
from reports.comparison.forest import forest
from reports.run import page as pages
from reports.run import plots, view
from reports.run.choose import PREFERRED
from reports.run.pictures import FULL_SCALE, color_bar
from reports.run.verdict import CLEAR
from reports.schema.comparison import Duel, RunComparison

SEEN_BY = tuple(family for families in PREFERRED.values() for family in families)  # metrics to choose pictures by


@dataclass(frozen=True)
class Links:
    """Addresses on a server. up: address and title of the parent page. runs: of A and B. clips: by id, of A and B."""

    up: tuple[str, str]
    runs: tuple[str, str]
    clips: tuple[Mapping[str, str], Mapping[str, str]] = ({}, {})


def page(comparison: RunComparison, a: Path | None = None, b: Path | None = None, links: Links | None = None) -> str:
    """Return the page. comparison: the result of ``bench compare``; its names are escaped.

    a, b: folders of the runs, which may be equal; without them the page has no pictures. links: if it is served.
    """
    columns = compare_view.columns(comparison)
    seen_by = next(
        (column for family in SEEN_BY for column in columns.values() if column.metric.family == family), None
    )
    return pages.draw(
        "compare.html.j2",
        sections=sections(comparison),
        digest=pages.digest_of(comparison.content()),
        comparison=comparison,
        columns=columns,
        head=compare_view.head(comparison),
        tallies=[compare_view.tally(duel, columns) for duel in comparison.duels],
        too_few=[compare_view.too_few(duel) for duel in comparison.duels],
        clear_below=CLEAR,
        seen_by=seen_by,
        seen=[pictures.shown(a, b, duel, seen_by) if a and b and seen_by else [] for duel in comparison.duels],
        pictured=a is not None and b is not None and seen_by is not None,
        links=links,
        up=links.up if links else None,
        color_bar=color_bar(),
        full_scale=FULL_SCALE,
        notes=compare_view.notes(comparison),
        refusals=compare_view.refusals(comparison),
        clear=compare_view.clear,
        verdict=compare_view.verdict,
        figures=[_figures(duel, columns, comparison.unit) for duel in comparison.duels],
    )


def sections(comparison: RunComparison) -> list[tuple[str, str]]:
    """Return anchors and titles: each pair of models, then the sections on all."""
    duels = [(f"duel-{number}", f"{duel.label_a} − {duel.label_b}") for number, duel in enumerate(comparison.duels, 1)]
    return [*duels, ("notes", "Notes"), ("signatures", "Signatures")]


def _figures(
    duel: Duel, columns: Mapping[str, view.Column], unit: str
) -> list[tuple[str, list[tuple[view.Column, Markup]]]]:
    """Return the titled plots of a duel: differences of its pairs or clips, then each grouping, by metric."""
    one = Markup('<p class="constant small">{} in every {}.</p>')
    spread = []
    for name, column in columns.items():
        series = pd.Series(duel.differences.get(name, ()), dtype=float)
        if (value := plots.constant({"A − B": series}, column.decimals)) is not None:
            spread.append((column, one.format(view.number(value, column.decimals), unit)))
        elif (svg := plots.distribution({"A − B": series}, {"A − B": "c0"}, column.decimals)) is not None:
            spread.append((column, Markup(svg)))
    headed = [(f"Differences by {unit}", spread)]
    for grouping in compare_view.grouping_names(duel):
        drawn = []
        for name, column in columns.items():
            own = [e for e in duel.groups if e.grouping == grouping and e.metric == name]
            means = pd.Series([entry.difference for entry in own], dtype=float)
            if (value := plots.constant({"A − B": means}, column.decimals)) is not None and len(own) > 1:
                drawn.append((column, one.format(view.number(value, column.decimals), "group")))
            elif own:
                drawn.append((column, Markup(forest(own, column.metric.higher_is_better))))
        headed.append((f"By {grouping}", drawn))
    return headed
