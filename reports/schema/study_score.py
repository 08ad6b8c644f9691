"""``score/score.json`` of a study: excluded raters, opinions with intervals, preference, agreement, metrics."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, TypeAdapter

from reports.schema.base import Facts, parse


class Value(Facts):
    """A mean, difference or strength. low, high: 95 % interval over raters and clips; None if undefined.

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
    """Mean opinion on a model (`other` None), or in comparisons with another: positive where `model` is better.

    mean: over votes that count. plain: Student's interval as if votes were independent. mixed: from the crossed mixed
        model. everyone: without excluding anybody. dmos: difference to the hidden reference on the same clips by the
        same raters, plus the best grade (ITU-T P.910, ACR-HR).
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
    """The strength of a model, logits with mean 0 over all models. wins: share of comparisons won, ties half."""

    model: str
    strength: Value
    wins: float


class Preference(Facts):
    """Bradley and Terry's model of one question. ties: Davidson's nu.

    first: advantage of the first shown in logits, None where the votes do not determine it. why: the reason where
        strengths are undefined; then there are none.
    """

    question: str
    strengths: tuple[Strength, ...]
    pairs: tuple[Difference, ...]
    ties: float | None = None
    first: Interval | None = None
    why: str | None = None


class Agreed(Facts):
    """Agreement of raters on a question; model: on one model's videos, None for all.

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
    """Variances of the mixed model of a question, by random effect. why: the reason without a fit."""

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
    """An excluded rater, and the reason."""

    rater: str
    reasons: tuple[str, ...]


class Screened(Facts):
    """The screening. rule: its name; source: its publication. checks, failed: attention checks of all raters."""

    rule: str
    source: str
    raters: int
    left_out: tuple[LeftOutRater, ...]
    checks: int
    failed: int
    repeats: int
    repeat_distance: float | None


class Correlation(Facts):
    """A metric compared with opinions; signs are turned so that 1 is full agreement, whether high or low is better.

    level: whether a point is a model's clip or a model. mapping: of the metric to opinions before `pearson` and `rmse`
        (ITU-T P.1401): ``linear`` or ``cubic`` (third order, monotonic). behind: its Spearman correlation's distance to
        the best one's; if the interval contains 0, the two do not differ significantly.
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
    """The score of a study, or of opinions from a file (`kind` ``opinions``), and its comparison with metrics.

    votes: of ratings, all and those that count. against: in comparisons the model that CMOS is relative to. protocols:
        of the videos' runs.
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
