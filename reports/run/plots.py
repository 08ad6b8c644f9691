"""Distributions of a metric and its curves over a clip, as SVG with the page's fonts and colors."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

# Okabe and Ito's colors, safe for color blindness, then more for long lists; lighter variants for dark pages
LIGHT = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#56b4e9", "#7a5195", "#e69f00"),
    *("#332288", "#7fb3a6", "#882255", "#a3a337", "#f2a3c7", "#5b7f3a", "#8c5a3c", "#8fa3bf"),
)
DARK = (
    *("#4ba3dc", "#f0803c", "#2cc295", "#e09ac4", "#d9c14a", "#86cdf5", "#b08fd0", "#f5b942"),
    *("#8f86e0", "#a8d8cd", "#d06c98", "#cfcf7a", "#f7c3dc", "#93b86f", "#c49a6c", "#b8c8dd"),
)
BOUND = {"light": "#8b8f98", "dark": "#80858f"}
INK = "#010203"  # placeholder for the page's text color
LEFT, WIDE = 0.13, 0.84  # begin and width of the time axis of curves, as shares of the plot's width
BINS = (12, 40)  # fewest and most
SETTINGS: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "report", "text.parse_math": False, "font.size": 9}


def slots(models: Sequence[str], bounds: Sequence[str]) -> dict[str, str]:
    """Return model → name of its color in the style sheet; bounds share one gray."""
    ranked = [model for model in models if model not in bounds]
    return {model: f"c{ranked.index(model) % len(LIGHT)}" if model in ranked else "bound" for model in models}


def palettes() -> dict[str, str]:
    """Return ``light`` and ``dark`` → style-sheet variables of the colors."""
    return {
        scheme: " ".join([*(f"--c{n}: {color};" for n, color in enumerate(colors)), f"--bound: {BOUND[scheme]};"])
        for scheme, colors in (("light", LIGHT), ("dark", DARK))
    }


def constant(values: Mapping[str, pd.Series], decimals: int) -> float | None:
    """Return the one value that all finite values equal, within a tenth of the last decimal shown; else None."""
    if not (data := list(_finite(values).values())):
        return None
    every = np.concatenate(data)
    return float(every[0]) if np.ptp(every) < 10.0 ** -(decimals + 1) else None


def _finite(values: Mapping[str, pd.Series]) -> dict[str, np.ndarray]:
    """Return model → its finite numbers; models without any are left out."""
    data = {model: series.to_numpy(float) for model, series in values.items()}
    data = {model: column[np.isfinite(column)] for model, column in data.items()}
    return {model: column for model, column in data.items() if len(column)}


def distribution(values: Mapping[str, pd.Series], colors: Mapping[str, str], decimals: int) -> str | None:
    """Return an ``<svg>`` of one histogram per model on a common axis, with median (line) and quartiles (bar).

    values: model → numbers; only finite ones count. colors: model → slot. None without any value, or if all are
    equal (see `constant`).
    The axis ends at the 0.5 % and 99.5 % quantiles; the outermost bins count the values beyond. If both quantiles are
    equal, the axis ends at the extremes.
    """
    data = _finite(values)
    if not data or constant(values, decimals) is not None:
        return None
    every = np.concatenate(list(data.values()))
    low, high = np.quantile(every, [0.005, 0.995])
    if high - low < 10.0 ** -(decimals + 1):
        low, high = every.min(), every.max()
    bins = np.clip(round(1.6 * max(map(len, data.values())) ** 0.5), *BINS)
    edges = np.linspace(low, high, bins + 1)
    with matplotlib.rc_context(SETTINGS):
        figure = Figure(figsize=(4.0, 0.42 + 0.46 * len(data)))
        FigureCanvasSVG(figure)
        axes = figure.add_axes((0.29, 0.3 / figure.get_figheight(), 0.66, 1 - 0.36 / figure.get_figheight()))
        for position, (model, column) in enumerate(data.items()):
            _ridge(axes, len(data) - 1 - position, np.clip(column, low, high), edges, _color(colors[model]))
        axes.set_yticks(range(len(data)), [_short(model) for model in reversed(data)])
        axes.set_ylim(-0.12, len(data) - 0.05)
        axes.set_xlim(low, high)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.ticklabel_format(axis="x", style="plain", useOffset=False)  # a power of ten would be outside the plot
        axes.tick_params(length=0, colors=INK, labelcolor=INK, pad=5)
        axes.grid(axis="x", color=INK, alpha=0.12, linewidth=0.7)
        axes.set_axisbelow(True)
        for spine in axes.spines.values():
            spine.set_visible(False)
        return _svg(figure)


def curves(
    lines: Mapping[str, tuple[np.ndarray, np.ndarray]],
    colors: Mapping[str, str],
    span: tuple[float, float],
    worst: Mapping[str, float],
) -> str | None:
    """Return an ``<svg>`` of one line per model over seconds, with gaps at missing values.

    lines: model → times and values, both ``(N,)``, NaN for a missing value. None without any value. span: seconds at
    the ends of the axis, which are at `LEFT` and `LEFT` + `WIDE` of the plot's width. worst: model → begin of its
    worst second; bars above the curves mark these.
    """
    lines = {model: line for model, line in lines.items() if np.isfinite(line[1]).any()}
    if not lines:
        return None
    with matplotlib.rc_context(SETTINGS):
        figure = Figure(figsize=(4.0, 1.35))
        FigureCanvasSVG(figure)
        axes = figure.add_axes((LEFT, 0.25, WIDE, 0.64))
        for model, (times, values) in reversed(lines.items()):  # the first model is on top
            single = np.isfinite(values).sum() < 2
            axes.plot(times, values, color=_color(colors[model]), linewidth=1.2, marker="o" if single else None)
        axes.set_xlim(*span)
        for row, (model, begin) in enumerate(worst.items()):
            place = 1.16 - row * min(0.06, 0.13 / max(1, len(worst) - 1))  # above the axes
            ends = [begin, min(begin + 1, span[1])]
            axes.plot(
                ends,
                [place, place],
                color=_color(colors[model]),
                linewidth=_bar(len(worst)),
                clip_on=False,
                transform=axes.get_xaxis_transform(),
                solid_capstyle="butt",
            )
        axes.set_xlabel("seconds", color=INK, labelpad=1, fontsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_locator(MaxNLocator(3))
        axes.ticklabel_format(axis="y", style="plain", useOffset=False)
        axes.tick_params(length=0, colors=INK, labelcolor=INK, pad=4, labelsize=8)
        axes.grid(color=INK, alpha=0.12, linewidth=0.7)
        for spine in axes.spines.values():
            spine.set_visible(False)
        return _svg(figure)


def _bar(n: int) -> float:
    """Return the thickness, in points, of each of several bars that share the strip above the curves."""
    return max(0.8, min(3.0, 9 / n))


def _svg(figure: Figure) -> str:
    stream = io.StringIO()
    figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return themed(stream.getvalue())


def _ridge(axes: Axes, base: int, column: np.ndarray, edges: np.ndarray, color: str) -> None:
    counts, _ = np.histogram(column, edges)
    heights = base + 0.72 * counts / counts.max()
    axes.fill_between(edges, base, np.append(heights, heights[-1]), step="post", color=color, alpha=0.55, linewidth=0)
    lower, median, upper = np.quantile(column, [0.25, 0.5, 0.75])
    axes.plot([lower, upper], [base, base], color=color, linewidth=3.5, solid_capstyle="butt")
    axes.plot([median, median], [base - 0.08, base + 0.8], color=INK, linewidth=1.3)


def _color(slot: str) -> str:
    return BOUND["light"] if slot == "bound" else LIGHT[int(slot[1:])]


def _short(model: str) -> str:
    return model if len(model) <= 15 else model[:14] + "…"


def themed(svg: str) -> str:
    """Replace fixed colors by the style sheet's, and drop everything before the ``<svg>`` element."""
    for position, color in enumerate(LIGHT):
        svg = svg.replace(color, f"var(--c{position})")
    svg = svg.replace(BOUND["light"], "var(--bound)").replace(INK, "currentColor")
    return svg[svg.index("<svg") :]
