"""``score/score.json`` of a study: who was screened out, opinions with intervals, preference, agreement, metrics."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, TypeAdapter

from reports.schema.base import Facts, parse


class Value(Facts):
    """A mean, difference or strength. low, high: 95 % interval over raters and clips; None where none can be told.

    p: of the hypothesis that it is zero; p_holm: adjusted over the `family` of its question. n: votes.
    """

    value: float
    low: float | None
    high: float | None
    se: float | None
    n: int
    raters: int
    clips: int
    p: float | None = None
    p_holm: float | None = None
    family: int | None = None


class Interval(Facts):
    """A value with its interval."""

    value: float
    low: float | None
    high: float | None


class Opinion(Facts):
    """Mean opinion on a model (`other` None), or of comparisons with another: positive where `model` is better.

    mean: over votes that count. plain: Student's interval as if votes were independent. mixed: the crossed mixed
    model's. everyone: nobody left out. dmos: difference to the hidden reference on the same clips by the same raters,
    plus the best grade (ITU-T P.910, ACR-HR).
    """

    question: str
    model: str
    other: str | None = None
    mean: Value
    plain: Interval
    mixed: Interval | None = None
    everyone: Interval
    dmos: Value | None = None


class Difference(Facts):
    """Mean of model a minus mean of model b."""

    question: str
    a: str
    b: str
    difference: Value


class Strength(Facts):
    """Of a model, logits with mean 0 over all models. wins: share of its comparisons that it wins, ties half."""

    model: str
    strength: Value
    wins: float


class Preference(Facts):
    """Bradley and Terry's model of one question. ties: Davidson's nu.

    first: logits that the first shown gains, None where the votes do not tell. why: where strengths are not defined,
    the reason, and then there are none.
    """

    question: str
    strengths: tuple[Strength, ...]
    pairs: tuple[Difference, ...]
    ties: float | None = None
    first: Interval | None = None
    why: str | None = None


class Agreed(Facts):
    """How far raters agree on a question; model: on one model's videos, None for all.

    alpha: Krippendorff's, ordinal. icc: ICC(2,1); icc_mean: ICC(2,k) of the mean of all votes on a video.
    """

    question: str
    model: str | None
    alpha: float | None
    icc: float | None
    icc_mean: float | None
    raters: int
    units: int


class Components(Facts):
    """Variances of the mixed model of a question, by random effect. why: where there is no fit."""

    question: str
    variances: dict[str, float]
    why: str | None = None


class Undefined(Facts):
    """A value that is undefined for a question, and why. code: its kind, for programs; absent in earlier releases."""

    question: str
    what: str
    why: str
    code: str | None = None


class LeftOutRater(Facts):
    """A rater whose votes do not count, and why."""

    rater: str
    reasons: tuple[str, ...]


class Screened(Facts):
    """rule: its name; source: where it is published. checks, failed: attention checks of all raters."""

    rule: str
    source: str
    raters: int
    left_out: tuple[LeftOutRater, ...]
    checks: int
    failed: int
    repeats: int
    repeat_distance: float | None


class Correlation(Facts):
    """A metric against opinions; signs are turned so that 1 is full agreement, whether high or low is better.

    level: points are a model's clips, or models. mapping: of the metric to opinions before `pearson` and `rmse`
    (ITU-T P.1401): ``linear`` or ``cubic`` (third order, monotonic). behind: what its Spearman correlation lacks to the
    best one's; an interval that holds 0 does not tell the two apart.
    """

    question: str
    run: str
    metric: str
    level: Literal["clip", "model"]
    n: int
    spearman: Interval | None
    kendall: Interval | None
    pearson: float | None
    rmse: float | None
    mapping: str | None
    proxy: bool = False
    behind: Interval | None = None
    points: tuple[tuple[float, float], ...] = ()
    why: str | None = None


class QuestionAsked(Facts):
    """A question, and the lowest and highest grade."""

    name: str
    text: str
    low: float
    high: float


class StudyScore(Facts):
    """The score of a study, or of opinions out of a file (`kind` ``opinions``), against metrics.

    votes: of ratings, all and those that count. against: in comparisons the model that CMOS is against. protocols: of
    the runs that the videos are of.
    """

    schema_: Literal[1] = Field(alias="schema")
    name: str
    kind: Literal["acr", "ccr", "preference", "opinions"]
    protocols: tuple[str, ...] = ()
    votes_sha256: str
    seed: int
    n_resamples: int
    questions: tuple[QuestionAsked, ...]
    models: tuple[str, ...]
    clips: int
    raters: int
    votes: int
    counted: int
    against: str | None = None
    screening: Screened | None = None
    opinions: tuple[Opinion, ...] = ()
    differences: tuple[Difference, ...] = ()
    preferences: tuple[Preference, ...] = ()
    agreement: tuple[Agreed, ...] = ()
    components: tuple[Components, ...] = ()
    metrics: tuple[Correlation, ...] = ()
    undefined: tuple[Undefined, ...] = ()
    notices: tuple[str, ...] = ()


STUDY_SCORE: TypeAdapter[StudyScore] = TypeAdapter(StudyScore)


def parse_study_score(content: bytes) -> StudyScore:
    """Read the bytes of a ``score.json``. Raises Damaged."""
    return parse(STUDY_SCORE, content)
