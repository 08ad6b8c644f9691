"""Opinions of models, and correlations of metrics with opinions, as points with their intervals."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports.run.plots import INK, LIGHT, SETTINGS, themed
from reports.schema.study_score import Interval, StudyScore, Value

LABEL = 34  # characters of a name
MOST = 40  # metrics in a figure
Line = tuple[str, Interval | Value, Interval | None]


def of_section(score: StudyScore, name: str) -> str | None:
    """Return an ``<svg>`` for a table of `reports.study.view`, in the page's colors; None if it has no figure."""
    lines, zero = _lines(score, name)
    return themed(_svg(_draw([(name, lines)], zero, titled=False))) if lines else None


def file(score: StudyScore) -> str | None:
    """Return an SVG file: each metric's rank correlation with opinions on clips, by question; circles: by model.

    None if too few clips have both opinions and metrics.
    """
    panels = [(question.name, _lines(score, f"metrics-{question.name}-clip")[0]) for question in score.questions]
    drawn = [(name, lines) for name, lines in panels if lines]
    return _svg(_draw(drawn, True, titled=True)).replace(INK, "#1b1d22") if drawn else None


def _lines(score: StudyScore, name: str) -> tuple[list[Line], bool]:
    """Return the points of a figure: names with a value, its interval and a second value; and whether to draw zero."""
    kind, _, rest = name.partition("-")
    if kind == "opinions":
        own = [opinion for opinion in score.opinions if opinion.question == rest]
        compared = any(opinion.other for opinion in own)
        return [(f"{o.model} − {o.other}" if o.other else o.model, o.mean, o.plain) for o in own], compared
    if kind == "preference":
        found = [entry for entry in score.preferences if entry.question == rest]
        return [(entry.model, entry.strength, None) for one in found for entry in one.strengths], True
    if kind == "metrics" and rest.endswith("-clip"):
        question = rest.removesuffix("-clip")
        by_model = {
            (one.run, one.metric): one.spearman
            for one in score.metrics
            if one.level == "model" and one.question == question
        }
        own_metrics = [one for one in score.metrics if one.level == "clip" and one.question == question]
        return [
            (one.metric, one.spearman, by_model.get((one.run, one.metric)))
            for one in own_metrics[:MOST]
            if one.spearman
        ], True
    return [], False


def _draw(panels: Sequence[tuple[str, Sequence[Line]]], zero: bool, titled: bool) -> Figure:
    with matplotlib.rc_context(SETTINGS):
        most = max(len(lines) for _, lines in panels)
        figure = Figure(figsize=(5.2 * len(panels), 0.75 + 0.24 * most), layout="constrained")
        FigureCanvasSVG(figure)
        for axes, (name, lines) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels):
            for place, (_, value, other) in enumerate(lines):
                ends = [math.nan if end is None else end for end in (value.low, value.high)]
                axes.plot(ends, [-place, -place], color=LIGHT[0], linewidth=2.2)
                axes.plot([value.value], [-place], "o", color=LIGHT[0], markersize=4.5)
                if other is None:
                    continue
                if titled or name.startswith("metrics"):
                    axes.plot([other.value], [-place], "o", color=LIGHT[1], markersize=6, fillstyle="none")
                elif other.low is not None:
                    axes.plot([other.low, other.high], [-place - 0.22] * 2, color=LIGHT[1], linewidth=1.2)
            if zero:
                axes.axvline(0, color=INK, linewidth=0.9)
            axes.set_yticks([-place for place in range(len(lines))], [_short(line[0]) for line in lines])
            axes.set_ylim(0.6 - len(lines), 0.6)
            axes.xaxis.set_major_locator(MaxNLocator(5))
            axes.tick_params(length=0, colors=INK, labelcolor=INK)
            axes.grid(axis="x", color=INK, alpha=0.12, linewidth=0.7)
            if titled:
                axes.set_title(f"Spearman with opinions: {name}", color=INK, fontsize=9)
            for spine in axes.spines.values():
                spine.set_visible(False)
        return figure


def _svg(figure: Figure) -> str:
    with matplotlib.rc_context(SETTINGS):
        stream = io.StringIO()
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return stream.getvalue()


def _short(name: str) -> str:
    return name if len(name) <= LABEL else name[: LABEL - 1] + "…"
