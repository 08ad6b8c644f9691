"""Screening of raters by a published rule, checks and repeats.

`bt500`: ITU-R BT.500-14, Part 1, Annex 1, the screening of observers by the kurtosis of all votes on each presentation.
`p913`: ITU-T P.913, Annex A, the correlation of a rater with the means of all. The published rules are for ratings; in
comparisons only checks and repeats apply.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.study.scoring.votes import oriented, passed, ratings

RULES = {
    "bt500": "ITU-R BT.500-14, Part 1, Annex 1: votes far from the mean of their presentation, by its kurtosis",
    "p913": "ITU-T P.913, Annex A: correlation with the means of all raters, excluding the worst one at a time",
    "none": "no published rule",
}
FEWEST = 6  # least votes on a presentation: with fewer, none can be two standard deviations from their mean
LEAST_CORRELATION = 0.75  # P.913's threshold of correlation by clip
CHECKS = 1 / 3  # largest share of failed checks of a rater who is kept
REPEATS = 0.375  # largest mean distance of repeated grades of a rater who is kept, as a share of the scale
FEWEST_REPEATS = 3  # fewest repeats to judge; with fewer, one honest change of mind would exclude a rater
SAME = 8  # votes on a question from which a constant grade excludes a rater


@dataclass(frozen=True)
class Screening:
    """Excluded raters. reasons: rater to the reason, in words. notices: what the rule could not judge."""

    rule: str
    reasons: dict[str, tuple[str, ...]]
    checks: dict[str, tuple[int, int]]
    repeats: dict[str, tuple[float, int]]
    notices: tuple[str, ...]

    def kept(self, votes: pd.DataFrame) -> pd.DataFrame:
        """Return the votes of the other raters."""
        return votes[~votes["rater"].isin(list(self.reasons))]


def screen(
    votes: pd.DataFrame,
    kind: str,
    scale: tuple[float, float],
    rule: str = "bt500",
    *,
    least_correlation: float = LEAST_CORRELATION,
    checks: float = CHECKS,
) -> Screening:
    """Find the raters to exclude. votes: all of a study. kind: ``acr``, ``ccr`` or ``preference``. rule: of `RULES`.

    scale: lowest and highest grade. checks: largest share of failed attention checks of a rater who is kept. Checks,
    repeats and constant grades come first; the rule judges the remaining raters.
    """
    reasons: dict[str, list[str]] = {}
    attention, again = attention_checks(votes), repeats(votes, scale)
    for rater, (failed, of) in attention.items():
        if failed > checks * of:
            reasons.setdefault(rater, []).append(f"failed {failed} of {of} attention checks")
    for rater, (distance, of) in again.items():
        if distance > REPEATS and of >= FEWEST_REPEATS:
            reasons.setdefault(rater, []).append(
                f"repeated grades differ by {100 * distance:.0f} % of the scale on average ({of} repeats)"
            )
    rated = ratings(votes)
    for name, own in rated.groupby("rater"):
        if len(own) >= SAME and (own.groupby("question")["grade"].nunique() == 1).all():
            reasons.setdefault(str(name), []).append(f"one grade for all of {len(own)} votes")
    notices: list[str] = []
    if kind == "acr" and rule != "none":
        left = rated[~rated["rater"].isin(list(reasons))]
        found, notices = _bt500(left) if rule == "bt500" else _p913(left, least_correlation)
        for rater, why in found.items():
            reasons.setdefault(rater, []).append(why)
    elif rule != "none":
        notices.append(f"{rule} is a rule for ratings; for comparisons only checks and repeats were used")
    return Screening(rule, {rater: tuple(why) for rater, why in reasons.items()}, attention, again, tuple(notices))


def attention_checks(votes: pd.DataFrame) -> dict[str, tuple[int, int]]:
    """Return rater to failed checks and number of checks; a check fails if one of its questions fails."""
    found: dict[str, tuple[int, int]] = {}
    checks = votes[(votes["kind"] == "attention") & (votes["expected"] != "")]
    for (rater, _), own in checks.groupby(["rater", "trial"]):
        right = all(passed(text, grade) for text, grade in zip(own["expected"], own["grade"]))
        failed, of = found.get(str(rater), (0, 0))
        found[str(rater)] = failed + (not right), of + 1
    return found


def repeats(votes: pd.DataFrame, scale: tuple[float, float]) -> dict[str, tuple[float, int]]:
    """Return rater to the mean distance of repeated grades, as a share of the scale, and the number of repeats.

    Repeats with swapped sides are converted to the same order.
    """
    models = sorted({*votes["model"], *votes["other_model"]})
    compared = votes["other_model"].ne("").any()
    facing = oriented(votes, models) if compared else votes
    again = facing[facing["repeats"] != ""].merge(
        facing, left_on=["rater", "repeats", "question"], right_on=["rater", "trial", "question"], suffixes=("", "_1")
    )
    distance = (again["grade"] - again["grade_1"]).abs() / (scale[1] - scale[0])
    return {str(rater): (float(own.mean()), len(own)) for rater, own in distance.groupby(again["rater"])}


def _bt500(rated: pd.DataFrame) -> tuple[dict[str, str], list[str]]:
    """Exclude by P and Q: a rater's votes above and below the mean by 2 S (kurtosis 2 to 4) or sqrt(20) S.

    Excludes a rater where (P + Q) / votes > 0.05 and |(P - Q) / (P + Q)| < 0.3: far off to both sides, not just strict.
    """
    keys = ["model", "clip", "question"]
    by = rated.groupby(keys)["grade"]
    mean, n = by.transform("mean"), by.transform("size")
    off = rated["grade"] - mean
    cells = [rated[key] for key in keys]
    second, fourth = ((off**power).groupby(cells).transform("mean") for power in (2, 4))
    deviation = (second * n / (n - 1).clip(lower=1)) ** 0.5
    kurtosis = (fourth / second.where(second > 0) ** 2).fillna(3.0)
    limit = np.where(kurtosis.between(2, 4), 2.0, 20**0.5) * deviation
    judged = (n >= FEWEST) & (deviation > 0)
    above, below = judged & (off >= limit), judged & (off <= -limit)
    found: dict[str, str] = {}
    for rater, places in rated.groupby("rater").groups.items():
        p, q, of = int(above[places].sum()), int(below[places].sum()), len(places)
        if p + q > 0.05 * of and abs(p - q) < 0.3 * (p + q):
            found[str(rater)] = f"BT.500: {p} votes far above and {q} far below the mean of their video, of {of}"
    notices = []
    if not judged.all():
        share = 100 * (1 - judged.mean())
        notices.append(
            f"bt500: {share:.0f} % of the votes are on a video with fewer than {FEWEST} votes, or one that all graded "
            "alike; the rule cannot judge these"
        )
    return found, notices


def _p913(rated: pd.DataFrame, least: float) -> tuple[dict[str, str], list[str]]:
    """Exclude, one at a time, the rater with the lowest Pearson correlation with the means of all on their videos."""
    found: dict[str, str] = {}
    keys = ["model", "clip", "question"]
    while True:
        left = rated[~rated["rater"].isin(list(found))]
        means = left.groupby(keys)["grade"].transform("mean")
        correlations: dict[str, float] = {}
        for rater, places in left.groupby("rater").groups.items():
            x, y = left.loc[places, "grade"], means[places]
            if len(x) > 2 and x.std() > 0 and y.std() > 0:
                correlations[str(rater)] = float(np.corrcoef(x, y)[0, 1])
        worst = min(correlations, key=lambda rater: correlations[rater], default=None)
        if worst is None or correlations[worst] >= least or len(correlations) < 3:
            return found, []
        found[worst] = f"P.913: correlation {correlations[worst]:.2f} with the means of all, below {least:g}"
