"""Score the votes of a study as one `StudyScore`."""

from __future__ import annotations

import hashlib

import pandas as pd

from bench.study.scoring import screening
from bench.study.scoring.compared import of_comparisons
from bench.study.scoring.panel import RESAMPLES
from bench.study.scoring.rated import of_ratings
from bench.study.scoring.values import Found, Plan
from bench.study.scoring.votes import COLUMNS, checked, ratings
from protocols.errors import DataError
from protocols.words import counted
from reports.schema.study import TRUTH
from reports.schema.study_score import LeftOutRater, Screened, StudyScore

FEW = 5  # raters or clips below which a notice explains wide intervals


def score(
    votes: pd.DataFrame,
    plan: Plan,
    *,
    rule: str = "bt500",
    least_correlation: float = screening.LEAST_CORRELATION,
    checks: float = screening.CHECKS,
    seed: int = 0,
    n: int = RESAMPLES,
) -> StudyScore:
    """Score a study. votes: with the columns of ``votes.csv``. rule: of `screening.RULES`. n: resamples.

    Raises DataError where votes cannot be read, or none count.
    """
    votes = checked(votes)
    if strange := {*votes["model"], *votes["other_model"]} - {*plan.models, TRUTH, ""}:
        raise DataError(f"votes on {min(strange)!r}, which is no model of the study", code="bad-votes")
    low, high = min(q.low for q in plan.questions), max(q.high for q in plan.questions)
    screened = screening.screen(votes, plan.kind, (low, high), rule, least_correlation=least_correlation, checks=checks)
    everyone, kept = ratings(votes), ratings(screened.kept(votes))
    notices = [*screened.notices, *_notices(kept, everyone)]
    parts: list[Found] = []
    for question in plan.questions:
        own, all_own = (part[part["question"] == question.name] for part in (kept, everyone))
        if own.empty:
            parts.append(Found(question.name))
            parts[-1].cannot("everything", "everything", "no vote counts")
            continue
        of_question = of_ratings if plan.kind == "acr" else of_comparisons
        parts.append(of_question(own, all_own, question, plan, seed, n))
    return StudyScore(
        schema_=1,
        name=plan.name,
        kind=plan.kind,  # type: ignore[arg-type]
        protocols=plan.protocols,
        votes_sha256=votes_hash(votes),
        seed=seed,
        n_resamples=n,
        questions=plan.questions,
        models=plan.models,
        clips=int(everyone["clip"].nunique()),
        raters=int(everyone["rater"].nunique()),
        votes=len(everyone),
        counted=len(kept),
        against=plan.against,
        screening=_screened(screened, votes, plan.kind),
        opinions=tuple(entry for part in parts for entry in part.opinions),
        differences=tuple(entry for part in parts for entry in part.differences),
        preferences=tuple(entry for part in parts for entry in part.preferences),
        agreement=tuple(entry for part in parts for entry in part.agreement),
        components=tuple(entry for part in parts for entry in part.components),
        undefined=tuple(entry for part in parts for entry in part.undefined),
        notices=tuple(notices),
    )


def votes_hash(votes: pd.DataFrame) -> str:
    """Return the SHA-256 of the votes' content and of the expected check answers, in any order."""
    lines = votes[[*COLUMNS, "expected", "repeats"]].astype(str).agg(",".join, axis=1)
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _screened(found: screening.Screening, votes: pd.DataFrame, kind: str) -> Screened:
    distances = [distance * of for distance, of in found.repeats.values()]
    repeats = sum(of for _, of in found.repeats.values())
    return Screened(
        rule=found.rule,
        source=screening.RULES[found.rule if kind == "acr" else "none"],
        raters=int(votes["rater"].nunique()),
        left_out=tuple(LeftOutRater(rater=rater, reasons=found.reasons[rater]) for rater in sorted(found.reasons)),
        checks=sum(of for _, of in found.checks.values()),
        failed=sum(failed for failed, _ in found.checks.values()),
        repeats=repeats,
        repeat_distance=sum(distances) / repeats if repeats else None,
    )


def _notices(kept: pd.DataFrame, everyone: pd.DataFrame) -> list[str]:
    notices = []
    if kept.empty:
        notices.append("every rater was excluded, so there is no result")
    raters, clips = kept["rater"].nunique(), kept["clip"].nunique()
    for number, what in ((raters, "rater"), (clips, "clip")):
        if number == 1:
            notices.append(f"one {what}: nothing can be said about others, and intervals exclude their variation")
        elif 0 < number < FEW:
            notices.append(f"{number} {what}s: too few to estimate the variation of others, so intervals are wide")
    people = kept.loc[kept["identity"] != "", "identity"].nunique()
    if 0 < people < clips:
        who = "one person" if people == 1 else f"{people} people"
        notices.append(
            f"{counted(clips, 'clip')} of {who}: "
            "intervals are over raters and clips, and say nothing about other people"
        )
    left = everyone["rater"].nunique() - raters
    if left > everyone["rater"].nunique() / 4:
        notices.append(f"{left} of {everyone['rater'].nunique()} raters are excluded; check which ones, and why")
    return notices
