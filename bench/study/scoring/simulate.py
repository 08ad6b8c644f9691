"""Simulated raters with known parameters, to test whether the statistics recover them.

A grade is the model's quality plus random effects of clip, rater, clip with model and rater with model, and noise; then
it is rounded and clipped to the scale. Votes have the columns of a study's ``votes.csv``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

QUESTION = "overall"


@dataclass(frozen=True)
class Spread:
    """Standard deviations in grades: of raters, of clips, of both with the model, and of noise."""

    rater: float = 0.5
    clip: float = 0.4
    rater_model: float = 0.25
    clip_model: float = 0.25
    noise: float = 0.7

    @property
    def total(self) -> float:
        """Return the standard deviation of one grade."""
        parts = (self.rater, self.clip, self.rater_model, self.clip_model, self.noise)
        return float(np.sqrt(np.square(parts).sum()))


def expected_grade(quality: float, spread: Spread, grades: Sequence[int]) -> float:
    """Return the mean grade over all raters and clips of a model with this `quality`, after rounding to `grades`."""
    levels = np.array(sorted(grades), float)
    edges = (levels[1:] + levels[:-1]) / 2
    below = stats.norm.cdf(edges, quality, spread.total)
    return float(levels @ np.diff(np.concatenate(([0.0], below, [1.0]))))


def grades(
    quality: Mapping[str, float],
    raters: int,
    clips: int,
    rng: np.random.Generator,
    *,
    spread: Spread = Spread(),  # noqa: B008 (frozen)
    each: int | None = None,
    scale: Sequence[int] | None = (1, 2, 3, 4, 5),
    careless: int = 0,
    checks: int = 0,
    repeats: int = 0,
    attentive: float = 0.98,
) -> pd.DataFrame:
    """Return votes of an absolute rating.

    each: stimuli per rater, default all; balanced, each rater begins at a different one. scale: grades, None for grades
    that are not rounded. careless: number of raters (the last ones) who give random grades. checks: attention checks
    per rater; attentive raters pass a share `attentive` of them. repeats: stimuli that a rater grades twice.
    """
    models = list(quality)
    rater, model, clip, level = levels(list(quality.values()), raters, clips, rng, spread, each)
    honest = rater < raters - careless

    def voted(level: np.ndarray, honest: np.ndarray) -> np.ndarray:
        found = rounded(level + rng.normal(0, spread.noise, len(level)), scale)
        return found if scale is None else np.where(honest, found, rng.choice(list(scale), len(level)))

    votes = _table(rater, model, clip, voted(level, honest), models)
    extra = []
    if repeats:
        again = np.concatenate([np.flatnonzero(rater == r)[:repeats] for r in range(raters)])
        second = votes.iloc[again].assign(grade=voted(level[again], honest[again]), kind="repeat")
        second["repeats"] = second["trial"]
        second["trial"] = "again-" + second["trial"]
        extra.append(second)
    if checks and scale is not None:
        who = np.repeat(np.arange(raters), checks)
        right = np.where(rng.random(len(who)) < attentive, min(scale), max(scale))
        given = np.where(who < raters - careless, right, rng.choice(list(scale), len(who)))
        check = _table(who, np.zeros_like(who), np.arange(len(who)) % clips, given, models)
        check = check.assign(kind="attention", expected=f"max={min(scale) + 1}")
        extra.append(check.assign(trial="check-" + check["trial"]))
    return pd.concat([votes, *extra], ignore_index=True)


def levels(
    quality: Sequence[float], raters: int, clips: int, rng: np.random.Generator, spread: Spread, each: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return rater, model and clip numbers of each vote and its grade without noise, all ``(N,)``, as in `grades`."""
    models = len(quality)
    order = rng.permutation(models * clips)
    each = len(order) if each is None else min(each, len(order))
    rater = np.repeat(np.arange(raters), each)
    clip, model = np.divmod(order[np.arange(raters * each) % len(order)], models)
    level = np.asarray(quality, float)[model]
    level = level + rng.normal(0, spread.rater, raters)[rater] + rng.normal(0, spread.clip, clips)[clip]
    level = level + rng.normal(0, spread.rater_model, (raters, models))[rater, model]
    return rater, model, clip, level + rng.normal(0, spread.clip_model, (clips, models))[clip, model]


def rounded(level: np.ndarray, scale: Sequence[int] | None) -> np.ndarray:
    """Return the nearest grade of a scale, which may have gaps; None: unchanged."""
    if scale is None:
        return level
    values = np.array(sorted(scale), float)
    return values[np.searchsorted((values[1:] + values[:-1]) / 2, level)]


def comparisons(
    strengths: Mapping[str, float],
    raters: int,
    clips: int,
    rng: np.random.Generator,
    *,
    ties: float = 0.0,
    first: float = 0.0,
    rater_model: float = 0.0,
    clip_model: float = 0.0,
    each: int | None = None,
) -> pd.DataFrame:
    """Return votes of a preference test: 1 if the first shown is better, 0 for a tie, -1 if the second is.

    strengths: of Bradley and Terry, in logits. ties: Davidson's nu, 0 for none. first: advantage of the first shown in
    logits. rater_model, clip_model: standard deviations of strengths between raters, between clips. each: comparisons
    per rater, default every pair of models on every clip once. The order is balanced.
    """
    models = list(strengths)
    rater, a, b, clip = _shown(len(models), raters, clips, rng, each)
    own = np.array([strengths[name] for name in models])
    of_rater = rng.normal(0, rater_model, (raters, len(models)))
    of_clip = rng.normal(0, clip_model, (clips, len(models)))
    gap = own[a] - own[b] + of_rater[rater, a] - of_rater[rater, b]
    gap = gap + of_clip[clip, a] - of_clip[clip, b] + first
    weights = np.stack([np.exp(gap / 2), np.full_like(gap, ties), np.exp(-gap / 2)])
    reach = np.cumsum(weights / weights.sum(0), 0)
    grade = 1 - (rng.random(len(gap)) > reach[:2]).sum(0)
    return _table(rater, a, clip, grade, models, b)


def compared_grades(
    quality: Mapping[str, float],
    raters: int,
    clips: int,
    rng: np.random.Generator,
    *,
    scale: Sequence[int],
    spread: Spread = Spread(),  # noqa: B008 (frozen)
    each: int | None = None,
) -> pd.DataFrame:
    """Return votes of a comparison with grades (CCR): positive where the first shown is better.

    quality: of each model; a grade is the difference of two, plus effects of raters and clips on either model
    (`rater_model` and `clip_model` of `spread`) and noise, as the nearest grade of `scale`. each: as in `comparisons`.
    """
    models = list(quality)
    rater, a, b, clip = _shown(len(models), raters, clips, rng, each)
    own = np.array([quality[name] for name in models])
    of_rater = rng.normal(0, spread.rater_model, (raters, len(models)))
    of_clip = rng.normal(0, spread.clip_model, (clips, len(models)))
    gap = own[a] - own[b] + of_rater[rater, a] - of_rater[rater, b] + of_clip[clip, a] - of_clip[clip, b]
    return _table(rater, a, clip, rounded(gap + rng.normal(0, spread.noise, len(gap)), scale), models, b)


def _shown(
    models: int, raters: int, clips: int, rng: np.random.Generator, each: int | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the numbers of rater, model shown first, model shown second and clip of each comparison, all ``(N,)``."""
    pairs = [(a, b, c) for c in range(clips) for a in range(models) for b in range(a + 1, models)]
    order = rng.permutation(len(pairs))
    each = len(pairs) if each is None else min(each, len(pairs))
    chosen = np.array([pairs[order[(r * each + i) % len(pairs)]] for r in range(raters) for i in range(each)])
    a, b, clip = chosen.T
    turned = rng.permutation(np.arange(len(a)) % 2).astype(bool)
    return np.repeat(np.arange(raters), each), np.where(turned, b, a), np.where(turned, a, b), clip


def _table(
    rater: np.ndarray,
    model: np.ndarray,
    clip: np.ndarray,
    grade: np.ndarray,
    models: list[str],
    other: np.ndarray | None = None,
) -> pd.DataFrame:
    names = np.array(models)
    return pd.DataFrame(
        {
            "rater": [f"r{one:04}" for one in rater],
            "slot": rater,
            "trial": [f"t{place:05}" for place in range(len(rater))],
            "kind": "rating",
            "stimulus": [f"{names[m]}/{c}" for m, c in zip(model, clip)],
            "other": "" if other is None else [f"{names[m]}/{c}" for m, c in zip(other, clip)],
            "model": names[model],
            "other_model": "" if other is None else names[other],
            "clip": [f"c{one:03}" for one in clip],
            "identity": [f"c{one:03}" for one in clip],
            "question": QUESTION,
            "grade": grade.astype(float),
            "expected": "",
            "repeats": "",
        }
    )
