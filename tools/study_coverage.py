"""Coverage of intervals of opinions: writes docs/study_coverage.png and a table of docs/user-study.md.

    python tools/study_coverage.py [STUDIES [KEPT.json]]        (600 per design; about four minutes on one core)

KEPT.json stores the measurements, design by design; a later call resumes from it.

Simulated raters with known truth: grades from 1 to 5 from a quality, effects of clips, of raters and of both with a
model, and noise (`bench.study.scoring.simulate`). The truth of a mean is that of all raters and all clips. For
preferences it is the logit of the share over all raters and all clips, which Bradley and Terry's strengths of two
models estimate. Careless raters give random grades; for each rule, the careless raters that it finds and the honest
ones that it keeps are counted.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy import stats

from bench.study.scoring import metrics, preference
from bench.study.scoring.panel import Panel
from bench.study.scoring.screening import screen
from bench.study.scoring.simulate import Spread, comparisons, expected_grade, grades, levels, rounded
from bench.study.scoring.votes import checked

DOCS = Path(__file__).parents[1] / "docs"
QUALITY = (3.4, 2.8, 4.0)
SCALE = (1, 2, 3, 4, 5)
RESAMPLES = 400
METHODS = ("votes alone", "raters alone", "bootstrap alone", "mean", "difference")
BEGIN, END = "<!-- study coverage -->", "<!-- end of study coverage -->"


class Design(NamedTuple):
    """One design. raters, clips: numbers. each: stimuli per rater, None: all. spread: standard deviations in grades."""

    name: str
    raters: int
    clips: int
    each: int | None = None
    spread: Spread = Spread()


TIES = 0.5  # Davidson's nu
FOUR = {"a": 4.2, "b": 3.2, "c": 2.0, "truth": 4.6}
CARELESS = 4  # of 20
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
    Design("20 raters, 10 clips, noise only", 20, 10, None, Spread(0.0, 0.0, 0.0, 0.0, 1.0)),
)

PREFERENCES = {  # raters, clips, comparisons a rater, spread
    "preference: 20 raters, 10 clips, all seen": (20, 10, None, 0.4),
    "preference: 40 raters, 20 clips, half seen": (40, 20, 10, 0.4),
}
METRICS = {  # raters, clips
    "a metric's Spearman: 20 raters, 12 clips": (20, 12),
    "a metric's Spearman: 20 raters, 30 clips": (20, 30),
}
RULES = {  # rule, least correlation, checks and repeats of each rater
    "2 checks and 1 repeat (as `make` plans)": ("none", 0.0, 2, 1),
    "4 checks and 3 repeats": ("none", 0.0, 4, 3),
    "bt500 without checks": ("bt500", 0.0, 0, 0),
    "bt500, 2 checks, 1 repeat": ("bt500", 0.0, 2, 1),
    "p913 at 0.75 without checks": ("p913", 0.75, 0, 0),
    "p913 at 0.5 without checks": ("p913", 0.5, 0, 0),
    "p913 at 0.5, 2 checks, 1 repeat": ("p913", 0.5, 2, 1),
}


def coverage(design: Design, n: int, seed: int = 0) -> dict[str, float]:
    """Return the coverage over `n` studies by method; the last is of a difference of models."""
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


def preferred(raters: int, clips: int, each: int | None, spread: float, n: int) -> dict[str, float]:
    """Return the coverage of the difference of two strengths, with ties. spread: between raters, between clips."""
    rng = np.random.default_rng([1, raters, clips])
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    gaps = 0.8 + 2 * spread * nodes  # two models, raters and clips: four normal parts
    shares = np.stack([np.exp(gaps / 2), np.full_like(gaps, TIES), np.exp(-gaps / 2)])
    won, _, lost = (shares / shares.sum(0)) @ weights
    held: dict[str, list[bool]] = {"votes alone": [], "mean": []}
    for _ in range(n):
        votes = comparisons(
            {"a": 0.8, "b": 0.0}, raters, clips, rng, ties=TIES, rater_model=spread, clip_model=spread, each=each
        )
        found = preference.fit(votes, ["a", "b"])
        value, low, high, _, _ = found.contrast(np.array([1.0, -1.0]))
        half = 1.96 * found.covariance[0, 0] ** 0.5
        held["votes alone"].append(abs(value - np.log(won / lost)) <= half)
        held["mean"].append(low <= np.log(won / lost) <= high)
    return {method: float(np.mean(hits)) for method, hits in held.items()}


def held_metric(raters: int, clips: int, n: int) -> dict[str, float]:
    """Return the coverage of a metric's Spearman with opinions by clip; truth: 4000 clips and all raters."""
    rng = np.random.default_rng([3, raters, clips])
    level = np.array(list(FOUR.values()))[:, None]

    def world(size: int) -> tuple[np.ndarray, np.ndarray]:
        own = level + rng.normal(0, 0.4, size) + rng.normal(0, 0.25, (len(level), size))
        return own, own + rng.normal(0, 0.8, own.shape)

    truth = stats.spearmanr(*(part.ravel() for part in world(4000))).statistic
    held = []
    for seed in range(n):
        own, metric = world(clips)
        given = own + rng.normal(0, 0.5, raters)[:, None, None] + rng.normal(0, 0.7, (raters, *own.shape))
        rater, model, clip = (part.ravel() for part in np.indices(given.shape))
        names = {"rater": rater.astype(str), "model": np.array(list(FOUR))[model], "clip": clip.astype(str)}
        votes = pd.DataFrame(names).assign(grade=given.ravel(), other_model="")
        opinions = metrics.of_votes(votes, list(FOUR), seed, RESAMPLES)
        place = [list(FOUR).index(name) for name in opinions.models], opinions.clips.astype(int)
        found = metrics.interval_by_clip(metric[place], opinions)
        held.append(found.low is not None and found.high is not None and found.low <= truth <= found.high)
    return {"mean": float(np.mean(held))}


def found_rates(rule: str, least: float, checks: int, repeats: int, n: int) -> dict[str, float]:
    """Return the share of careless raters that are found, and of honest ones that are kept."""
    found, kept = [], []
    for seed in range(n):
        votes = grades(FOUR, 20, 8, np.random.default_rng([2, seed]), careless=CARELESS, checks=checks, repeats=repeats)
        out = set(screen(checked(votes), "acr", (1, 5), rule, least_correlation=least).reasons)
        names = [f"r{rater:04}" for rater in range(20)]
        found.append(np.mean([name in out for name in names[-CARELESS:]]))
        kept.append(np.mean([name not in out for name in names[:-CARELESS]]))
    return {"found": float(np.mean(found)), "kept": float(np.mean(kept))}


def student(values: np.ndarray) -> float:
    """Return half of Student's interval."""
    return float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5)


def cases(n: int) -> dict[str, Callable[[], dict[str, float]]]:
    """Return everything that is measured, by name."""
    made: dict[str, Callable[[], dict[str, float]]] = {}
    for design in DESIGNS:
        made[design.name] = lambda design=design: coverage(design, n)
    for name, facts in PREFERENCES.items():
        made[name] = lambda facts=facts: preferred(*facts, n)
    for name, (raters, clips) in METRICS.items():
        made[name] = lambda raters=raters, clips=clips: held_metric(raters, clips, n)
    for name, rule in RULES.items():
        made[name] = lambda rule=rule: found_rates(*rule, n // 8)
    return made


def tables(measured: dict[str, dict[str, float]]) -> str:
    """Return Markdown: coverage of each design, then the raters found by each rule, in percent."""
    lines = ["| study | " + " | ".join(METHODS) + " |", "| --- |" + " ---: |" * len(METHODS)]
    for name in (*(design.name for design in DESIGNS), *PREFERENCES, *METRICS):
        shares = measured[name]
        cells = [f"{100 * shares[method]:.1f}" if method in shares else "" for method in METHODS]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["", "| rule | careless raters found | honest raters kept |", "| --- | ---: | ---: |"]
    for name in RULES:
        lines.append(f"| {name} | {100 * measured[name]['found']:.0f} | {100 * measured[name]['kept']:.1f} |")
    return "\n".join(lines)


def draw(measured: dict[str, dict[str, float]], path: Path) -> None:
    """Draw a line per design, a mark per method."""
    names = [*(design.name for design in DESIGNS), *PREFERENCES, *METRICS]
    figure = Figure(figsize=(8.6, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.axvspan(93, 97, color="0.88", lw=0)
    colors = ("tab:red", "tab:orange", "tab:gray", "tab:blue", "tab:green")
    for method, color, mark in zip(METHODS, colors, "xsvoD"):
        shares = [100 * measured[name].get(method, np.nan) for name in names]
        axes.plot(shares, -np.arange(len(names)), mark, color=color, label=method, linestyle="none")
    axes.set_yticks(-np.arange(len(names)), names)
    axes.set(xlabel="95 % intervals that hold the truth, %", xlim=(20, 101))
    axes.legend(loc="lower left", frameon=False)
    figure.savefig(path, dpi=110)


def main(n: int, kept: Path | None) -> None:
    """Measure what is not in `kept`; when all is measured, write figure and tables."""
    measured = json.loads(kept.read_text(encoding="utf-8")) if kept and kept.exists() else {}
    for name, measure in cases(n).items():
        if name not in measured:
            measured[name] = measure()
            print(name, measured[name], flush=True)
            if kept:
                kept.write_text(json.dumps(measured, indent=1), encoding="utf-8")
    draw(measured, DOCS / "study_coverage.png")
    page = DOCS / "user-study.md"
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    page.write_text(f"{before}{BEGIN}\n{tables(measured)}\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 600, Path(sys.argv[2]) if len(sys.argv) > 2 else None)
