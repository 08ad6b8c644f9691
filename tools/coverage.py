"""Coverage of 95 % intervals when pairs are clustered by people: writes docs/coverage.png and docs/statistics.md.

    python tools/coverage.py [DATASETS]        (4000 per design; about two minutes on one core)

Simulated pairs: a part shared by all pairs of a person, one shared by all pairs of a video, one of the pair alone.
Their mean is zero, so an interval that excludes zero is wrong.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy import stats

from bench.stats.intervals import intervals
from bench.stats.resampling import Hierarchy, resamples, weighted_means

DOCS = Path(__file__).parents[1] / "docs"
METHODS = ("over pairs", "cluster bootstrap", "corrected")
SHARES = (0.0, 0.1, 0.3, 0.6)  # intra-class correlations: share of people in a pair's variance
VIDEO = 0.1  # share of videos in the variance, where a design has it
PEOPLE = (3, 5, 9, 20, 50)
TOGETHER = 400  # data sets that share their resamples
RESAMPLES = 1000
BEGIN, END = "<!-- coverage -->", "<!-- end of coverage -->"


class Design(NamedTuple):
    """A list of pairs."""

    name: str
    source: Hierarchy
    driving: Hierarchy

    @property
    def crossed(self) -> bool:
        return self.source is not self.driving


def same(name: str, videos: list[int], pairs: int) -> Design:
    """Return same-identity pairs. videos: of each person."""
    names = [(f"{i:02}", f"{v:02}") for i, n in enumerate(videos) for v in range(n) for _ in range(pairs)]
    side = Hierarchy.of(*zip(*names))
    return Design(name, side, side)


def crossed(people: int) -> Design:
    """Return cross-identity pairs: 20 per person, drawn at random, three videos each."""
    rng = np.random.default_rng(people)
    source = rng.integers(0, people, 20 * people)
    driving = (source + rng.integers(1, people, len(source))) % people
    sides = [Hierarchy.of(side.astype(str), rng.integers(0, 3, len(side)).astype(str)) for side in (source, driving)]
    return Design(f"{people} people crossed, {len(source)} pairs", *sides)


SAME = [same(f"{n} people, 4 videos, 3 pairs each", [4] * n, 3) for n in PEOPLE]
CROSSED = [crossed(n) for n in PEOPLE]
OTHERS = [
    same("9 people, 1 video, 21 pairs each", [1] * 9, 21),
    same("11 people with 1 to 10 videos of 4 pairs", [1, 1, 1, 2, 2, 3, 3, 4, 5, 6, 10], 4),
    same("3 people with 1, 2 and 9 videos of 4 pairs", [1, 2, 9], 4),
]


def datasets(design: Design, between: float, skewed: bool, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return ``(N, n)`` values of variance 1 and mean 0, normal or exponential in every part."""

    def part(share: float, labels: np.ndarray) -> np.ndarray:
        shape = (labels.max() + 1, n)
        drawn = rng.exponential(size=shape) - 1 if skewed else rng.normal(size=shape)
        return share**0.5 * drawn[labels]

    video = VIDEO if between else 0.0
    people = between / 2 if design.crossed else between
    found = part(people, design.driving.identity) + part(video, design.driving.video)
    if design.crossed:
        found += part(people, design.source.identity)
    return found + part(1 - between - video, np.arange(len(found)))


def coverage(design: Design, between: float, skewed: bool, n: int, seed: int = 0) -> dict[str, float]:
    """Return the share of `n` data sets (rounded up to whole batches) with zero inside the interval, by method."""
    rng = np.random.default_rng([seed, round(100 * between), skewed, len(design.driving.video)])
    held = {method: [] for method in METHODS}
    sides = (design.source, design.driving)
    for _ in range(-(-n // TOGETHER)):
        x = datasets(design, between, skewed, TOGETHER, rng)
        half = stats.t.ppf(0.975, len(x) - 1) * x.std(0, ddof=1) / len(x) ** 0.5
        drawn = weighted_means(x, resamples(*sides, RESAMPLES, rng))
        bounds = {
            "over pairs": (x.mean(0) - half, x.mean(0) + half),
            "cluster bootstrap": np.nanquantile(drawn, [0.025, 0.975], axis=0),
            "corrected": intervals(x, *sides, RESAMPLES, 0.95, rng),
        }
        for method, (low, high) in bounds.items():
            held[method].append((low <= 0) & (high >= 0))
    return {method: float(np.mean(parts)) for method, parts in held.items()}


def table(measured: dict[tuple[str, float, bool], dict[str, float]]) -> str:
    """Return Markdown: a row per design, a column per share of people; percent by method, then of skewed data."""
    lines = ["| pairs | " + " | ".join(f"{between:g}" for between in SHARES) + " | skewed |"]
    lines.append("| --- |" + " --- |" * (len(SHARES) + 1))
    for name in dict.fromkeys(name for name, _, _ in measured):
        cells = [" / ".join(f"{100 * measured[name, b, False][m]:.1f}" for m in METHODS) for b in SHARES]
        cells.append(" / ".join(f"{100 * measured[name, b, True]['corrected']:.1f}" for b in SHARES))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def draw(measured: dict[tuple[str, float, bool], dict[str, float]], path: Path) -> None:
    """Draw a panel per kind of list and share of people: coverage over the number of people."""
    figure = Figure(figsize=(11, 5.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, len(SHARES), sharex=True, sharey=True)
    for row, (kind, designs) in zip(axes, (("same identity", SAME), ("crossed", CROSSED))):
        for axis, between in zip(row, SHARES):
            axis.axhspan(93, 97, color="0.88", lw=0)
            for method, color, mark in zip(METHODS, ("tab:red", "tab:orange", "tab:blue"), "xso"):
                shares = [100 * measured[design.name, between, False][method] for design in designs]
                axis.plot(PEOPLE, shares, color=color, marker=mark, label=method)
            axis.set(xscale="log", ylim=(20, 101), title=f"{kind}, share {between:g}")
            axis.set_xticks(PEOPLE, [str(n) for n in PEOPLE])
            axis.minorticks_off()
    axes[0, 0].legend(loc="lower left", frameon=False)
    figure.supxlabel("people (share: of the variance that lies between people)")
    figure.supylabel("95 % intervals that hold the truth, %")
    figure.savefig(path, dpi=110)


def main(n: int) -> None:
    cases = [(design, between) for design in [*SAME, *OTHERS, *CROSSED] for between in SHARES]
    measured = {
        (design.name, between, skewed): coverage(design, between, skewed, n)
        for design, between in cases
        for skewed in (False, True)
    }
    draw(measured, DOCS / "coverage.png")
    page = DOCS / "statistics.md"
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    page.write_text(f"{before}{BEGIN}\n{table(measured)}\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4000)
