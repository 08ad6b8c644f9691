"""Expected intervals by number of raters, from simulated studies with known variances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.runtime.errors import UserError
from bench.study.scoring import preference, simulate
from bench.study.scoring.panel import Panel
from bench.study.scoring.simulate import Spread
from bench.study.scoring.votes import oriented
from protocols import files
from reports.schema.base import Damaged
from reports.schema.study_score import parse_study_score

RESAMPLES = 200
PRESENT = 0.05  # p below which a difference counts as found


@dataclass(frozen=True)
class Expected:
    """Expected precision. half: half width of a mean's interval, in grades (of a strength: in logits).

    half_difference: of a difference of two models. found: share of studies in which a difference as large as the
        simulated one has p < 0.05 before Holm.
    """

    raters: int
    votes: int
    half: float
    half_difference: float
    found: float


def ratings(
    raters: Sequence[int],
    *,
    clips: int,
    models: int,
    difference: float,
    each: int | None = None,
    spread: Spread = Spread(),  # noqa: B008 (frozen)
    studies: int = 40,
    seed: int = 0,
) -> list[Expected]:
    """Expect intervals of mean opinion scores. each: stimuli per rater, default all.

    difference: grades between the two compared models, around the middle of the scale.
    """
    quality = {f"m{k}": 3.0 + (difference / 2, -difference / 2)[k % 2] for k in range(models)}
    found = []
    for number in raters:
        rng = np.random.default_rng([seed, number])
        halves, gaps, hits, votes = [], [], [], 0
        for study in range(studies):
            table = simulate.grades(quality, number, clips, rng, spread=spread, each=each)
            votes = len(table)
            panel = Panel(table.assign(group=table["model"]), list(quality), n=RESAMPLES, seed=study)
            one = panel.of("m0")
            halves.append((one.high - one.low) / 2)
            if models > 1:
                gap = panel.difference("m0", "m1")
                gaps.append((gap.high - gap.low) / 2)
                hits.append(gap.p < PRESENT)
        found.append(Expected(number, votes, _mean(halves), _mean(gaps), _mean(hits)))
    return found


def comparisons(
    raters: Sequence[int],
    *,
    clips: int,
    models: int,
    difference: float,
    scale: Sequence[int],
    each: int | None = None,
    spread: Spread = Spread(),  # noqa: B008 (frozen)
    studies: int = 40,
    seed: int = 0,
) -> list[Expected]:
    """Expect intervals of the mean grade of a pair of models (CMOS). each: pairs of videos per rater, default all.

    difference: mean grade between the two models before rounding to `scale`. In a comparison `half_difference` is
    `half`: the mean of a pair is the difference.
    """
    quality = {f"m{k}": (difference / 2, -difference / 2)[k % 2] for k in range(models)}
    found = []
    for number in raters:
        rng = np.random.default_rng([seed, number])
        halves, hits, votes = [], [], 0
        for study in range(studies):
            table = simulate.compared_grades(quality, number, clips, rng, scale=scale, spread=spread, each=each)
            votes = len(table)
            facing = oriented(table, list(quality))
            of_pair = facing[(facing["a"] == "m0") & (facing["b"] == "m1")]
            mean = Panel(of_pair.assign(group="pair"), ["pair"], n=RESAMPLES, seed=study).of("pair")
            halves.append((mean.high - mean.low) / 2)
            hits.append(mean.p < PRESENT)
        found.append(Expected(number, votes, _mean(halves), _mean(halves), _mean(hits)))
    return found


def preferences(
    raters: Sequence[int],
    *,
    clips: int,
    models: int,
    share: float,
    each: int | None = None,
    ties: float = 0.0,
    spread: float = 0.4,
    studies: int = 40,
    seed: int = 0,
) -> list[Expected]:
    """Expect intervals of Bradley and Terry's strengths. share: of votes without a tie that the better model gets.

    spread: standard deviation of strengths between raters, and between clips, in logits.
    """
    gap = float(np.log(share / (1 - share)))
    strengths = {f"m{k}": (gap / 2, -gap / 2)[k % 2] for k in range(models)}
    weights = [(np.eye(models)[0] - 1 / models), np.eye(models)[0] - np.eye(models)[1]]
    found = []
    for number in raters:
        rng = np.random.default_rng([seed, number])
        halves, gaps, hits, votes = [], [], [], 0
        for _ in range(studies):
            table = simulate.comparisons(
                strengths, number, clips, rng, ties=ties, rater_model=spread, clip_model=spread, each=each
            )
            votes = len(table)
            if preference.undefined(table, list(strengths)):
                hits.append(False)  # no strengths, no test
                continue
            fitted = preference.fit(table, list(strengths))
            one, other = (fitted.contrast(weight) for weight in weights)
            halves.append((one[2] - one[1]) / 2)
            gaps.append((other[2] - other[1]) / 2)
            hits.append(other[4] < PRESENT)
        found.append(Expected(number, votes, _mean(halves), _mean(gaps), _mean(hits)))
    return found


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")


def spread_of(like: Path | None, kind: str) -> Spread:
    """Return the variances of a scored study of the same kind, means over its questions. Raises UserError.

    like: a folder or a ``score.json``; None: those of `Spread`. kind: ``acr`` or ``ccr``. In a comparison the
    contributions of raters and clips are those of two models, so each has half the variance.
    """
    if like is None:
        return Spread()
    places = (like, like / "score.json", like / "score" / "score.json")
    file = next((place for place in places if place.is_file()), None)
    if file is None:
        raise UserError(f"--like {like}: no score.json; score the study first", code="unreadable-file")
    try:
        score = parse_study_score(files.content(file))
    except (OSError, Damaged) as error:
        raise UserError(f"--like {file}: {error}", code="unreadable-file") from None
    found = [entry.variances for entry in score.components if entry.variances]
    if score.kind != kind or not found:
        raise UserError(f"--like {file}: no variances of a study of --kind {kind}", code="unreadable-file")

    def of(*names: str) -> float:
        return float(np.mean([sum(variances.get(name, 0.0) for name in names) for variances in found]))

    if kind == "ccr":
        of_rater, of_clip = of("rater", "rater:group") / 2, of("clip", "clip:group") / 2
        return Spread(0.0, 0.0, of_rater**0.5, of_clip**0.5, of("rest") ** 0.5)
    names = ("rater", "clip", "rater:group", "clip:group", "rest")
    return Spread(*(of(name) ** 0.5 for name in names))
