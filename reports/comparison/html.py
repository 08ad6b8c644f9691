"""A comparison of two runs, or of two models of one, as one self-contained page."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from markupsafe import Markup

from reports.comparison import view as compare_view
from reports.comparison.forest import forest
from reports.run import page as pages
from reports.run import plots, view
from reports.schema.comparison import Duel, RunComparison


def page(comparison: RunComparison) -> str:
    """The page. comparison: what ``bench compare`` found; its names are text, whatever they look like."""
    columns = compare_view.columns(comparison)
    return pages.draw(
        "compare.html.j2",
        sections=sections(comparison),
        digest=pages.digest_of(comparison.content()),
        comparison=comparison,
        columns=columns,
        head=compare_view.head(comparison),
        notes=compare_view.notes(comparison),
        refusals=compare_view.refusals(comparison),
        clear=compare_view.clear,
        favors=compare_view.favors,
        figures=[_figures(duel, columns, comparison.unit) for duel in comparison.duels],
    )


def sections(comparison: RunComparison) -> list[tuple[str, str]]:
    """Anchors and titles: each pair of models, then what holds for all."""
    duels = [(f"duel-{number}", f"{duel.label_a} − {duel.label_b}") for number, duel in enumerate(comparison.duels, 1)]
    return [*duels, ("notes", "What to know"), ("signatures", "Signatures")]


def _figures(
    duel: Duel, columns: Mapping[str, view.Column], unit: str
) -> list[tuple[str, list[tuple[view.Column, Markup]]]]:
    """Headed plots of a duel: the differences of its pairs or clips, then each grouping, metric by metric."""
    spread = []
    for name, column in columns.items():
        series = pd.Series(duel.differences.get(name, ()), dtype=float)
        if (svg := plots.distribution({"A − B": series}, {"A − B": "c0"}, column.decimals)) is not None:
            spread.append((column, Markup(svg)))
    headed = [(f"Differences of the {unit}s", spread)]
    for grouping in compare_view.grouping_names(duel):
        drawn = []
        for name, column in columns.items():
            own = [e for e in duel.groups if e.grouping == grouping and e.metric == name]
            if own:
                drawn.append((column, Markup(forest(own, column.metric.higher_is_better))))
        headed.append((f"By {grouping}", drawn))
    return headed
