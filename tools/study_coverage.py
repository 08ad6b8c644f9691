"""How often intervals of opinions hold the truth: writes docs/study_coverage.png and a table of docs/user-study.md.

    python tools/study_coverage.py [STUDIES]        (1000 a design; some three minutes on one core)

Made-up raters whose truth is known: grades from 1 to 5 out of a quality, what clips, raters and both with a model add,
and chance (`bench.study.scoring.simulate`). The truth of a mean is that of all raters and all clips.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy import stats

from bench.study.scoring.panel import Panel
from bench.study.scoring.simulate import Spread, expected_grade, levels, rounded

DOCS = Path(__file__).parents[1] / "docs"
QUALITY = (3.4, 2.8, 4.0)
SCALE = (1, 2, 3, 4, 5)
RESAMPLES = 400
METHODS = ("votes alone", "raters alone", "bootstrap alone", "mean", "difference")
BEGIN, END = "<!-- study coverage -->", "<!-- end of study coverage -->"


class Design(NamedTuple):
    """raters, clips: how many. each: stimuli a rater, None for all. spread: standard deviations in grades."""

    name: str
    raters: int
    clips: int
    each: int | None = None
    spread: Spread = Spread()


COMMON = Spread()
DESIGNS = (
    Design("10 raters, 6 clips, all seen", 10, 6),
    Design("20 raters, 10 clips, all seen", 20, 10),
    Design("40 raters, 10 clips, all seen", 40, 10),
    Design("20 raters, 10 clips, a third seen", 20, 10, 10),
    Design("24 raters, 20 clips, a third seen", 24, 20, 20),
    Design("40 raters, 20 clips, half seen", 40, 20, 30),
    Design("20 raters, 4 clips, all seen", 20, 4),
    Design("20 raters who differ much, 10 clips", 20, 10, None, Spread(0.9, 0.2, 0.4, 0.1, 0.5)),
    Design("20 raters, 10 clips that differ much", 20, 10, None, Spread(0.2, 0.8, 0.1, 0.5, 0.5)),
    Design("20 raters, 10 clips, chance alone", 20, 10, None, Spread(0.0, 0.0, 0.0, 0.0, 1.0)),
)


def coverage(design: Design, n: int, seed: int = 0) -> dict[str, float]:
    """Share of `n` made-up studies whose interval holds the truth, by method; the last is of a difference of models."""
    rng = np.random.default_rng([seed, design.raters, design.clips, design.each or 0])
    truth = [expected_grade(quality, design.spread, SCALE) for quality in QUALITY]
    held: dict[str, list[bool]] = {method: [] for method in METHODS}
    for study in range(n):
        rater, model, clip, level = levels(QUALITY, design.raters, design.clips, rng, design.spread, design.each)
        grade = rounded(level + rng.normal(0, design.spread.noise, len(level)), SCALE)
        panel = Panel.of_numbers(model, rater, clip, grade, n=RESAMPLES, seed=study)
        own, mean = grade[model == 0], panel.means[0]
        by_rater = panel.sums[0].sum(1)[(seen := panel.counts[0].sum(1) > 0)] / panel.counts[0].sum(1)[seen]
        one, gap = panel.of("0"), panel.difference("0", "1")
        low, high = np.nanquantile(panel.drawn[:, 0], [0.025, 0.975])
        intervals = {
            "votes alone": (mean - student(own), mean + student(own)),
            "raters alone": (by_rater.mean() - student(by_rater), by_rater.mean() + student(by_rater)),
            "bootstrap alone": (low, high),
            "mean": (one.low, one.high),
        }
        for method, (low, high) in intervals.items():
            held[method].append(low <= truth[0] <= high)
        held["difference"].append(gap.low <= truth[0] - truth[1] <= gap.high)
    return {method: float(np.mean(hits)) for method, hits in held.items()}


def student(values: np.ndarray) -> float:
    """Half of Student's interval."""
    return float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5)


def table(measured: dict[str, dict[str, float]]) -> str:
    """Markdown: a row a design, a column a method, in percent."""
    lines = ["| study | " + " | ".join(METHODS) + " |", "| --- |" + " ---: |" * len(METHODS)]
    for name, shares in measured.items():
        lines.append(f"| {name} | " + " | ".join(f"{100 * shares[method]:.1f}" for method in METHODS) + " |")
    return "\n".join(lines)


def draw(measured: dict[str, dict[str, float]], path: Path) -> None:
    """A line a design, a mark a method."""
    figure = Figure(figsize=(8.6, 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.axvspan(93, 97, color="0.88", lw=0)
    colors = ("tab:red", "tab:orange", "tab:gray", "tab:blue", "tab:green")
    for method, color, mark in zip(METHODS, colors, "xsv oD".replace(" ", "")):
        shares = [100 * found[method] for found in measured.values()]
        axes.plot(shares, -np.arange(len(shares)), mark, color=color, label=method, linestyle="none")
    axes.set_yticks(-np.arange(len(measured)), list(measured))
    axes.set(xlabel="95 % intervals that hold the truth, %", xlim=(20, 101))
    axes.legend(loc="lower left", frameon=False)
    figure.savefig(path, dpi=110)


def main(n: int) -> None:
    """Measure every design, and write figure and table."""
    measured = {design.name: coverage(design, n) for design in DESIGNS}
    draw(measured, DOCS / "study_coverage.png")
    print(table(measured))
    page = DOCS / "user-study.md"
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    page.write_text(f"{before}{BEGIN}\n{table(measured)}\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
