"""Mean differences with their intervals, one line per group of pairs, as SVG in the page's colors."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports.run.plots import INK, LIGHT, SETTINGS, themed
from reports.schema.comparison import Group

LABEL = 30  # characters of a group's name


def forest(entries: Sequence[Group], higher_is_better: bool) -> str:
    """Return an ``<svg>``: a point and interval per group, the zero line, and the color of the better model.

    entries: drawn from top to bottom.
    """
    with matplotlib.rc_context(SETTINGS):
        figure = Figure(figsize=(4.6, 0.55 + 0.24 * len(entries)))
        FigureCanvasSVG(figure)
        height = figure.get_figheight()
        axes = figure.add_axes((0.46, 0.35 / height, 0.5, 1 - 0.42 / height))
        axes.axvline(0, color=INK, linewidth=0.9)
        for position, entry in enumerate(entries):
            for_a = (entry.difference > 0) == higher_is_better
            color = LIGHT[0 if for_a else 1] if entry.difference else INK
            ends = [math.nan if end is None else end for end in (entry.ci_low, entry.ci_high)]
            axes.plot(ends, [-position, -position], color=color, linewidth=2.2)
            axes.plot([entry.difference], [-position], "o", color=color, markersize=4.5)
        names = [f"{_short(entry.group)}, n {entry.n}" for entry in entries]
        axes.set_yticks([-position for position in range(len(entries))], names)
        axes.set_ylim(0.6 - len(entries), 0.6)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.tick_params(length=0, colors=INK, labelcolor=INK)
        axes.grid(axis="x", color=INK, alpha=0.12, linewidth=0.7)
        for spine in axes.spines.values():
            spine.set_visible(False)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return themed(stream.getvalue())


def _short(group: str) -> str:
    return group if len(group) <= LABEL else group[: LABEL - 1] + "…"
