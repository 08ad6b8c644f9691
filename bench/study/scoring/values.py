"""Results as entries of a `StudyScore`: undefined numbers become None, with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import stats

from bench.study.scoring import mixed
from bench.study.scoring.agreement import agreement
from bench.study.scoring.panel import CONFIDENCE, Estimate
from protocols.words import counted
from reports.schema.study_score import (
    Agreed,
    Components,
    Difference,
    Interval,
    Opinion,
    Preference,
    QuestionAsked,
    Undefined,
    Value,
)

EFFECTS = ("rater", "clip", "rater:group", "clip:group")  # of the mixed model


@dataclass(frozen=True)
class Plan:
    """Facts of a study other than its votes. kind: as in ``study.json``. models: in the tables' order."""

    name: str
    kind: str
    questions: tuple[QuestionAsked, ...]
    models: tuple[str, ...]
    against: str | None = None
    protocols: tuple[str, ...] = ()


@dataclass
class Found:
    """The results of the votes on one question."""

    question: str
    opinions: list[Opinion] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    preferences: list[Preference] = field(default_factory=list)
    agreement: list[Agreed] = field(default_factory=list)
    components: list[Components] = field(default_factory=list)
    undefined: list[Undefined] = field(default_factory=list)

    def cannot(self, code: str, what: str, why: str | None) -> None:
        """Record that a value is undefined, if there is a reason. code: its kind; what: in words."""
        if why is not None:
            self.undefined.append(Undefined(question=self.question, what=what, why=why, code=code))

    def add_mixed(self, votes: pd.DataFrame) -> mixed.Mixed:
        """Fit the mixed model. votes: with `group`. With one group, its rater effects are those of the raters."""
        effects = EFFECTS if votes["group"].nunique() > 1 else EFFECTS[:2]
        fitted = mixed.fit(votes, effects)
        self.components.append(Components(question=self.question, variances=fitted.variances, why=fitted.why))
        self.cannot("mixed-model", "mixed model", fitted.why)
        return fitted

    def add_agreement(self, votes: pd.DataFrame, models: Sequence[str]) -> None:
        """Add the agreement on all videos, and on those of each of `models`. votes: with `unit`, the graded item."""
        lacking: dict[tuple[str, str], list[str]] = {}  # what and why, to the models for which it is undefined
        for model in (None, *models):
            own = agreement(votes if model is None else votes[votes["model"] == model])
            self.agreement.append(
                Agreed(
                    question=self.question,
                    model=model,
                    alpha=number(own.alpha),
                    icc=number(own.icc),
                    icc_mean=number(own.icc_mean),
                    raters=own.raters,
                    units=own.units,
                )
            )
            both = own.why_alpha == own.why_icc
            for what, why in (
                ("agreement" if both else "alpha", own.why_alpha),
                ("ICC", None if both else own.why_icc),
            ):
                if why is not None:
                    lacking.setdefault((what, why), []).append("all models" if model is None else model)
        for (what, why), whose in lacking.items():
            self.cannot(what.lower(), f"{what} on the videos of {', '.join(whose)}", why)


def no_interval(mean: Value, votes: pd.DataFrame) -> str | None:
    """Return why the mean of votes has no interval; None if it has one."""
    if mean.low is not None:
        return None
    grades = votes["grade"]
    if np.ptp(grades) == 0 and len(grades) > 1:
        return f"all {len(grades)} votes are {grades.iloc[0]:g}, so the variation of others cannot be estimated"
    return (
        f"too few for it: {counted(mean.n, 'vote')} of {counted(mean.raters, 'rater')} on {counted(mean.clips, 'clip')}"
    )


def family(estimates: Sequence[Estimate]) -> list[Value]:
    """Return the estimates with p adjusted by Holm over all that have one."""
    from statsmodels.stats.multitest import multipletests

    tested = [place for place, one in enumerate(estimates) if np.isfinite(one.p)]
    adjusted = multipletests([estimates[place].p for place in tested], method="holm")[1] if tested else []
    holm = dict(zip(tested, map(float, adjusted)))
    return [
        value(one).but(p_holm=holm.get(place), family=len(tested) if place in holm else None)
        for place, one in enumerate(estimates)
    ]


def value(found: Estimate) -> Value:
    """Return the estimate in the form of ``score.json``."""
    return Value(
        value=found.value,
        low=number(found.low),
        high=number(found.high),
        se=number(found.se),
        n=found.n,
        raters=found.raters,
        clips=found.clips,
        p=number(found.p),
    )


def interval(value: float, low: float, high: float) -> Interval:
    """Return an interval; undefined ends become None."""
    return Interval(value=value, low=number(low), high=number(high))


def plain(grades: pd.Series) -> Interval:
    """Return Student's interval as if votes were independent; none where all are the same."""
    mean, n, spread = float(grades.mean()), len(grades), float(grades.std())
    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, n - 1) * spread / n**0.5) if n > 1 and spread > 0 else np.nan
    return interval(mean, mean - half, mean + half)


def of_mixed(fitted: mixed.Mixed, group: str) -> Interval | None:
    """Return the mixed model's mean of a group."""
    return interval(*fitted.means[group]) if group in fitted.means else None


def number(value: float) -> float | None:
    """Return a number, or None if undefined."""
    return float(value) if np.isfinite(value) else None
