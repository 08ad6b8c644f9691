"""All that the votes of a study say, as one `StudyScore`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from bench.study.scoring import agreement, mixed, preference, screening
from bench.study.scoring.panel import CONFIDENCE, RESAMPLES, Estimate, Panel
from bench.study.scoring.votes import COLUMNS, checked, oriented, ratings
from protocols.errors import DataError
from reports.schema.study_score import (
    Agreed,
    Components,
    Difference,
    Interval,
    LeftOutRater,
    Opinion,
    Preference,
    QuestionAsked,
    Screened,
    Strength,
    StudyScore,
    Value,
)

TRUTH = "truth"  # the hidden reference
EFFECTS = ("rater", "clip", "rater:group", "clip:group")  # of the mixed model
FEW = 5  # raters or clips below which intervals are said to be wide for a reason


@dataclass(frozen=True)
class Plan:
    """What is known of a study besides its votes. kind: as in ``study.json``. models: in the order of tables."""

    name: str
    kind: str
    questions: tuple[QuestionAsked, ...]
    models: tuple[str, ...]
    against: str | None = None
    protocols: tuple[str, ...] = ()


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
    parts: dict[str, list] = {
        name: [] for name in ("opinions", "differences", "preferences", "agreement", "components")
    }
    for question in plan.questions:
        own, all_own = (part[part["question"] == question.name] for part in (kept, everyone))
        if own.empty:
            notices.append(f"{question.name}: no votes")
            continue
        found = _ratings(own, all_own, question, plan, seed, n) if plan.kind == "acr" else None
        found = found or _comparisons(own, all_own, question, plan, seed, n)
        for name, entries in found.items():
            parts[name] += entries
    notices += [f"{one.question}, mixed model: {one.why}" for one in parts["components"] if one.why]
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
        screening=_screened(screened, votes),
        notices=tuple(notices),
        **{name: tuple(entries) for name, entries in parts.items()},
    )


def votes_hash(votes: pd.DataFrame) -> str:
    """SHA-256 of what votes say, whatever their order."""
    lines = votes[list(COLUMNS)].astype(str).agg(",".join, axis=1)
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _ratings(
    own: pd.DataFrame, everyone: pd.DataFrame, question: QuestionAsked, plan: Plan, seed: int, n: int
) -> dict[str, list]:
    own, everyone = (part.assign(group=part["model"]) for part in (own, everyone))
    models = [model for model in plan.models if (own["group"] == model).any()]
    panel, whole = Panel(own, models, n=n, seed=seed), Panel(everyone, models, n=n, seed=seed)
    fitted = mixed.fit(own, EFFECTS)
    bounds = question.low, question.high
    dmos = _dmos(own, question, n, seed)
    opinions = [
        Opinion(
            question=question.name,
            model=model,
            mean=_value(panel.of(model, bounds)),
            plain=_plain(own.loc[own["group"] == model, "grade"]),
            mixed=_mixed(fitted, model),
            everyone=_interval(whole.of(model, bounds)),
            dmos=dmos.get(model),
        )
        for model in models
    ]
    pairs = list(combinations(models, 2))
    differences = _family([panel.difference(a, b) for a, b in pairs])
    return {
        "opinions": opinions,
        "differences": [
            Difference(question=question.name, a=a, b=b, difference=value) for (a, b), value in zip(pairs, differences)
        ],
        "agreement": _agreement(own.assign(unit=own["model"] + "\x1f" + own["clip"]), question.name, models),
        "components": [Components(question=question.name, variances=fitted.variances, why=fitted.why)],
    }


def _dmos(own: pd.DataFrame, question: QuestionAsked, n: int, seed: int) -> dict[str, Value]:
    """ITU-T P.910, ACR-HR: each vote minus the same rater's on the true clip, plus the best grade."""
    true = own[own["model"] == TRUTH].groupby(["rater", "clip", "question"])["grade"].mean().rename("true")
    rated = own[own["model"] != TRUTH].join(true, on=["rater", "clip", "question"], how="inner")
    if rated.empty:
        return {}
    rated = rated.assign(grade=rated["grade"] - rated["true"] + question.high)
    panel = Panel(rated, n=n, seed=seed)
    return {model: _value(panel.of(model)) for model in panel.groups}


def _comparisons(
    own: pd.DataFrame, everyone: pd.DataFrame, question: QuestionAsked, plan: Plan, seed: int, n: int
) -> dict[str, list]:
    order = [*(model for model in plan.models if model != plan.against), *([plan.against] if plan.against else [])]
    own, everyone = (_paired(part, order) for part in (own, everyone))
    pairs = [(a, b) for a, b in combinations(order, 2) if (own["group"] == _pair(a, b)).any()]
    names = [_pair(a, b) for a, b in pairs]
    panel, whole = Panel(own, names, n=n, seed=seed), Panel(everyone, names, n=n, seed=seed)
    fitted = mixed.fit(own, EFFECTS)
    bounds = question.low, question.high
    means = _family([panel.of(name, bounds) for name in names])
    opinions = [
        Opinion(
            question=question.name,
            model=a,
            other=b,
            mean=mean,
            plain=_plain(own.loc[own["group"] == name, "grade"]),
            mixed=_mixed(fitted, name),
            everyone=_interval(whole.of(name, bounds)),
        )
        for (a, b), name, mean in zip(pairs, names, means)
    ]
    return {
        "opinions": opinions,
        "preferences": [_preference(own, question.name, order)],
        "agreement": _agreement(own.assign(unit=own["group"] + "\x1f" + own["clip"]), question.name, []),
        "components": [Components(question=question.name, variances=fitted.variances, why=fitted.why)],
    }


def _paired(votes: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    facing = oriented(votes, order)
    return facing.assign(group=[_pair(a, b) for a, b in zip(facing["a"], facing["b"])])


def _pair(a: str, b: str) -> str:
    return f"{a}\x1f{b}"


def _preference(votes: pd.DataFrame, question: str, order: list[str]) -> Preference:
    """votes: oriented, so `first` says who was shown first."""
    shown = votes.assign(
        model=np.where(votes["first"] > 0, votes["a"], votes["b"]),
        other_model=np.where(votes["first"] > 0, votes["b"], votes["a"]),
        grade=votes["grade"] * votes["first"],
    )
    models = [model for model in order if model in set(shown["model"]) | set(shown["other_model"])]
    if why := preference.undefined(shown, models):
        return Preference(question=question, strengths=(), pairs=(), why=why)
    found = preference.fit(shown, models)
    won = preference.wins(shown, models)
    facts = len(shown), int(shown["rater"].nunique()), int(shown["clip"].nunique())
    size = len(models)
    single = [_contrast(found, np.eye(size)[k] - 1 / size, facts) for k in range(size)]
    pairs = list(combinations(range(size), 2))
    tested = _family([_contrast(found, np.eye(size)[i] - np.eye(size)[j], facts) for i, j in pairs])
    half = stats.norm.ppf(0.5 + CONFIDENCE / 2) * found.first_se
    return Preference(
        question=question,
        strengths=tuple(
            Strength(
                model=model,
                strength=_value(single[k]).but(p=None),
                wins=float(won[k].sum() / (won[k].sum() + won[:, k].sum())),
            )
            for k, model in enumerate(models)
        ),
        pairs=tuple(
            Difference(question=question, a=models[i], b=models[j], difference=value)
            for (i, j), value in zip(pairs, tested)
        ),
        ties=found.nu,
        first=Interval(value=found.first, low=_number(found.first - half), high=_number(found.first + half)),
    )


def _contrast(found: preference.Strengths, weights: np.ndarray, facts: tuple[int, int, int]) -> Estimate:
    value, low, high, se, p = found.contrast(weights)
    return Estimate(value, low, high, se, np.nan, p, *facts)


def _agreement(votes: pd.DataFrame, question: str, models: Sequence[str]) -> list[Agreed]:
    found = []
    for model in (None, *models):
        own = agreement.agreement(votes if model is None else votes[votes["model"] == model])
        found.append(
            Agreed(
                question=question,
                model=model,
                alpha=_number(own.alpha),
                icc=_number(own.icc),
                icc_mean=_number(own.icc_mean),
                raters=own.raters,
                units=own.units,
            )
        )
    return found


def _family(estimates: Sequence[Estimate]) -> list[Value]:
    """Values with p after Holm over all of them that have one."""
    from statsmodels.stats.multitest import multipletests

    tested = [place for place, one in enumerate(estimates) if np.isfinite(one.p)]
    adjusted = multipletests([estimates[place].p for place in tested], method="holm")[1] if tested else []
    holm = dict(zip(tested, map(float, adjusted)))
    return [
        _value(one).but(p_holm=holm.get(place), family=len(tested) if place in holm else None)
        for place, one in enumerate(estimates)
    ]


def _value(found: Estimate) -> Value:
    return Value(
        value=found.value,
        low=_number(found.low),
        high=_number(found.high),
        se=_number(found.se),
        n=found.n,
        raters=found.raters,
        clips=found.clips,
        p=_number(found.p),
    )


def _interval(found: Estimate) -> Interval:
    return Interval(value=found.value, low=_number(found.low), high=_number(found.high))


def _plain(grades: pd.Series) -> Interval:
    """Student's interval as if votes were independent."""
    mean, n = float(grades.mean()), len(grades)
    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, n - 1) * grades.std() / n**0.5) if n > 1 else np.nan
    return Interval(value=mean, low=_number(mean - half), high=_number(mean + half))


def _mixed(fitted: mixed.Mixed, group: str) -> Interval | None:
    if group not in fitted.means:
        return None
    value, low, high = fitted.means[group]
    return Interval(value=value, low=low, high=high)


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _screened(found: screening.Screening, votes: pd.DataFrame) -> Screened:
    distances = [distance * of for distance, of in found.repeats.values()]
    repeats = sum(of for _, of in found.repeats.values())
    return Screened(
        rule=found.rule,
        source=screening.RULES[found.rule],
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
        notices.append("every rater was left out; nothing can be said")
    raters, clips = kept["rater"].nunique(), kept["clip"].nunique()
    for number, what in ((raters, "raters"), (clips, "clips")):
        if 0 < number < FEW:
            notices.append(f"{number} {what}: what others would be like can hardly be told, so intervals are wide")
    people = kept.loc[kept["identity"] != "", "identity"].nunique()
    if 0 < people < clips:
        notices.append(
            f"{clips} clips of {people} people: intervals are over raters and clips, and say nothing about other people"
        )
    left = everyone["rater"].nunique() - raters
    if left > everyone["rater"].nunique() / 4:
        notices.append(f"{left} of {everyone['rater'].nunique()} raters are left out: look at who, and why")
    return notices
