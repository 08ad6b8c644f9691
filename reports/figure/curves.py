"""A metric against the difficulty of pairs: one line per model, with the intervals of the means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports.run.plots import BOUND, LIGHT
from reports.run.view import Column

MARKERS = "osD^vP<>X*"
HEIGHT = 2.0  # inches of a panel
MOST_BANDS = 3  # most lines with intervals as areas; more areas would hide one another
DPI = 300


@dataclass(frozen=True)
class Point:
    """The pairs of one bin. x: mean of the difficulty. low, high: interval of the mean; None without one.

    n: pairs with a value, of `total`.
    """

    x: float
    mean: float | None
    low: float | None
    high: float | None
    n: int
    total: int


@dataclass(frozen=True)
class Panel:
    """One metric. lines: by model's title, bounds among them. edges: of the bins, inner ones."""

    column: Column
    lines: Mapping[str, Sequence[Point]]


def draw(panels: Sequence[Panel], axis: str, bounds: Sequence[str], inches: float, points: float) -> Figure:
    """Return panels side by side, in several rows if they would be narrower than 1.9 inches. axis: its label.

    bounds: titles of lines that are gray and dashed.
    """
    across = max(1, min(len(panels), int(inches / 1.9)))
    rows = -(-len(panels) // across)
    figure = Figure(figsize=(inches, rows * HEIGHT + 0.35), layout="constrained", dpi=DPI)
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, across, squeeze=False)
    for ax in list(grid.flat)[len(panels) :]:
        ax.set_axis_off()
    for ax, panel in zip(grid.flat, panels):
        ranked = [name for name in panel.lines if name not in bounds]
        areas = len(panel.lines) <= MOST_BANDS
        for name, line in panel.lines.items():
            _line(ax, name, line, ranked, areas)
        column = panel.column
        unit = f" ({column.metric.unit})" if column.metric.unit else ""
        ax.set_xlabel(axis, labelpad=2)
        ax.set_ylabel(f"{column.name}{unit} {column.arrow}", labelpad=2)
        ax.xaxis.set_major_locator(MaxNLocator(5))
        ax.yaxis.set_major_locator(MaxNLocator(5))
        ax.tick_params(length=2, width=0.5, pad=2)
        ax.grid(alpha=0.25, linewidth=0.4)
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
    handles, names = grid.flat[0].get_legend_handles_labels()
    figure.legend(
        handles,
        names,
        loc="outside upper center",
        ncols=min(len(names), max(2, int(inches / 1.1))),
        frameon=False,
        handlelength=1.6,
        columnspacing=1.2,
    )
    return figure


def _line(ax: Axes, name: str, points: Sequence[Point], ranked: Sequence[str], areas: bool) -> None:
    """Draw one model. Intervals drawn as lines are shifted a little, so that they do not overlap."""
    line = [point for point in points if point.mean is not None]
    bound = name not in ranked
    place = 0 if bound else ranked.index(name)
    color = BOUND["light"] if bound else LIGHT[place % len(LIGHT)]
    aside = 0.0 if areas or bound else (place - (len(ranked) - 1) / 2) * _step(line) / 25
    x, y = np.array([point.x + aside for point in line]), np.array([point.mean for point in line], float)
    low, high = (np.array([np.nan if end is None else end for end in ends]) for ends in zip(*_ends(line)))
    shape: dict[str, Any] = {"marker": MARKERS[place % len(MARKERS)], "markersize": 3.2, "markeredgewidth": 0.7}
    ax.plot(x, y, color=color, linewidth=1.1, linestyle="--" if bound else "-", label=name, **shape)
    open_ones = np.isnan(low)
    ax.plot(x[open_ones], y[open_ones], color=color, linestyle="", markerfacecolor="white", **shape)
    if areas:
        ax.fill_between(x, low, high, color=color, alpha=0.16, linewidth=0)
    else:
        ax.vlines(x, low, high, color=color, linewidth=0.6, alpha=0.7)


def _ends(line: Sequence[Point]) -> list[tuple[float | None, float | None]]:
    return [(point.low, point.high) for point in line]


def _step(line: Sequence[Point]) -> float:
    return (line[-1].x - line[0].x) / (len(line) - 1) if len(line) > 1 else 0.0
