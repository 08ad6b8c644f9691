"""The tables of a study's score as text, the source of every format (console, HTML, LaTeX)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from protocols.words import counted
from reports.run.view import interval, number, p_value
from reports.schema.study_score import Correlation, Interval, Opinion, StudyScore, Value

DIGITS = 2
MANY = 12  # metrics that the console shows
KINDS = {"acr": "absolute ratings (ACR)", "ccr": "comparisons (CCR)", "preference": "preferences"}


@dataclass(frozen=True)
class Section:
    """A table. name: its name in a file. rows: a name, then values. strong: indexes of highlighted rows.

    words: whether the last columns are sentences, which may wrap.
    """

    name: str
    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    strong: frozenset[int] = frozenset()
    words: bool = False


def head(score: StudyScore) -> list[str]:
    """Return what was scored, and the number of votes."""
    if score.kind == "opinions":
        return [f"opinions from a file, {counted(score.clips, 'clip')}, {counted(len(score.models), 'model')}"]
    counts = (counted(score.raters, "rater"), counted(score.clips, "clip"), counted(score.votes, "vote"))
    lines = [f"{KINDS[score.kind]}: {', '.join(counts)}"]
    if score.screening:
        left, by = counted(len(score.screening.left_out), "rater"), score.screening.source
        lines.append(f"{left} excluded, {score.counted} votes count. Screening: checks and repeats; {by}")
    return lines


def sections(score: StudyScore) -> list[Section]:
    """Return all tables that have rows, in the order of the page."""
    made = [*_opinions(score), *_differences(score), *_preferences(score), *_metrics(score)]
    made += [*_agreement(score), *_variances(score), *_left_out(score), *_undefined(score)]
    return [section for section in made if section.rows]


def notes(score: StudyScore) -> list[str]:
    """Return the notes on the numbers."""
    lines = []
    values = [opinion.mean for opinion in score.opinions] + [entry.difference for entry in score.differences]
    if any(value.low is not None for value in values):
        lines.append(
            f"intervals: 95 %, over raters and clips ({score.n_resamples} resamples of both, seed {score.seed}, "
            "width by two-way clusters); “votes alone” is Student's interval, as if votes were independent: too narrow"
        )
    if any(value.p_holm is not None for value in values):
        lines.append("p: Holm-adjusted over the comparisons of a question")
    if score.metrics:
        lines.append(
            "metrics: Spearman's rank correlation with opinions, with its sign set so that 1 is full agreement; "
            "r and RMSE after the mapping of ITU-T P.1401"
        )
    return [*lines, *score.notices]


def trusted(score: StudyScore) -> list[str]:
    """Return, by question, the metric that agrees best with people on clips, and those not significantly worse."""
    lines = []
    for question in score.questions:
        own = [one for one in score.metrics if one.question == question.name and one.level == "clip" and one.spearman]
        if not own or own[0].spearman is None:
            continue
        best = own[0]
        if best.spearman is None or best.spearman.low is None:
            lines.append(f"{question.name}: too few data to say which metric agrees with people")
            continue
        if best.spearman.low <= 0:
            lines.append(f"{question.name}: no metric agrees with people beyond chance on these clips")
            continue
        alike = [one.metric for one in own[1:] if one.behind and one.behind.low is not None and one.behind.low <= 0]
        rest = f"; not significantly worse: {', '.join(alike)}" if alike else "; all others agree significantly less"
        lines.append(f"{question.name}: {best.metric} agrees best with people ({_of(best.spearman)}){rest}")
    return lines


def _opinions(score: StudyScore) -> Iterator[Section]:
    compared = score.kind != "acr"
    for question in score.questions:
        own = [opinion for opinion in score.opinions if opinion.question == question.name]
        dmos = any(opinion.dmos for opinion in own)
        heads = [
            "model" if not compared else "models",
            "CMOS" if compared else "MOS",
            "95 %",
            "votes alone",
            "mixed model",
        ]
        heads += ["p (Holm)"] if compared else []
        heads += [*(["DMOS"] if dmos else []), "nobody left out", "n"]
        best = max((opinion.mean.value for opinion in own if opinion.model != "truth"), default=None)
        strong = {place for place, opinion in enumerate(own) if not compared and opinion.mean.value == best}
        rows = tuple(_opinion(opinion, compared, dmos) for opinion in own)
        title = f"Opinions, {question.name}: {question.text} ({number(question.low, 0)} to {number(question.high, 0)})"
        note = "positive: the first of the two is better" if compared else ""
        yield Section(f"opinions-{question.name}", title, tuple(heads), rows, note, frozenset(strong))


def _opinion(opinion: Opinion, compared: bool, dmos: bool) -> tuple[str, ...]:
    name = f"{opinion.model} − {opinion.other}" if opinion.other else opinion.model
    cells = [name, number(opinion.mean.value, DIGITS, compared), _ends(opinion.mean, compared)]
    cells += [_ends(opinion.plain, compared), _of(opinion.mixed, compared)]
    if compared:
        cells.append(_p(opinion.mean))
    if dmos:
        cells.append(_of(opinion.dmos))
    return (*cells, _of(opinion.everyone, compared), str(opinion.mean.n))


def _differences(score: StudyScore) -> Iterator[Section]:
    for question in score.questions:
        own = [entry for entry in score.differences if entry.question == question.name]
        yield Section(
            f"differences-{question.name}",
            f"Differences, {question.name}",
            ("models", "difference", "95 %", "p (Holm)", "p"),
            tuple(
                (
                    f"{entry.a} − {entry.b}",
                    number(entry.difference.value, DIGITS, True),
                    _ends(entry.difference, True),
                    _p(entry.difference),
                    "–" if entry.difference.p is None else p_value(entry.difference.p),
                )
                for entry in own
            ),
        )


def _preferences(score: StudyScore) -> Iterator[Section]:
    for found in score.preferences:
        first = f"; shown first gains {_of(found.first, True)}" if found.first else ""
        note = f"logits with mean 0; ties: nu {number(found.ties, DIGITS)}{first}" if found.strengths else ""
        order = sorted(found.strengths, key=lambda entry: -entry.strength.value)
        rows = [
            (
                entry.model,
                number(entry.strength.value, DIGITS, True),
                _ends(entry.strength, True),
                f"{100 * entry.wins:.0f} %",
                "",
            )
            for entry in order
        ]
        rows += [
            (
                f"{entry.a} − {entry.b}",
                number(entry.difference.value, DIGITS, True),
                _ends(entry.difference, True),
                "",
                _p(entry.difference),
            )
            for entry in found.pairs
        ]
        title = f"Preference, {found.question}: Bradley-Terry model, ties by Davidson"
        heads = ("model", "strength", "95 %", "wins", "p (Holm)")
        yield Section(f"preference-{found.question}", title, heads, tuple(rows), note)


def _metrics(score: StudyScore) -> Iterator[Section]:
    several = len({one.run for one in score.metrics}) > 1
    for question in score.questions:
        for level in ("clip", "model"):
            own = [one for one in score.metrics if one.question == question.name and one.level == level]
            behind = any(one.behind for one in own)
            yield Section(
                f"metrics-{question.name}-{level}",
                f"Which metric agrees with people, {question.name}, by {level}",
                ("metric", "Spearman", "95 %", "Kendall", "r", "RMSE", *(["behind the best"] if behind else []), "n"),
                tuple(_metric(one, several, behind) for one in own),
                "by model: intervals are over raters and clips, not over models" if level == "model" else "",
                frozenset(
                    {0} if level == "clip" and own and own[0].spearman and own[0].spearman.low is not None else ()
                ),
            )


def _metric(one: Correlation, several: bool, behind: bool) -> tuple[str, ...]:
    """Return the rows. several: whether there are several runs. behind: whether the table has this column."""
    name = f"{one.metric} (proxy)" if one.proxy else one.metric
    name = f"{name}, {one.run}" if several else name
    if one.spearman is None:
        return (name, "–", one.why or "", "–", "–", "–", *(["–"] if behind else []), str(one.n))
    mapping = f" {one.mapping}" if one.mapping == "cubic" else ""
    return (
        name,
        number(one.spearman.value, DIGITS),
        _ends(one.spearman),
        _of(one.kendall),
        number(one.pearson, DIGITS) + mapping,
        number(one.rmse, DIGITS),
        *(["" if one.behind is None else _of(one.behind, True)] if behind else []),
        str(one.n),
    )


def _agreement(score: StudyScore) -> Iterator[Section]:
    rows = tuple(
        (
            f"{entry.question}, {entry.model or 'all'}",
            number(entry.alpha, DIGITS),
            number(entry.icc, DIGITS),
            number(entry.icc_mean, DIGITS),
            str(entry.raters),
            str(entry.units),
        )
        for entry in score.agreement
        if entry.alpha is not None or entry.icc is not None
    )
    heads = ("question, model", "alpha", "ICC(2,1)", "ICC(2,k)", "raters", "videos")
    note = "Krippendorff's alpha, ordinal; ICC of one rater, and of the mean of all votes on a video"
    yield Section("agreement", "Agreement of raters", heads, rows, note)


def _variances(score: StudyScore) -> Iterator[Section]:
    names = list(dict.fromkeys(name for entry in score.components for name in entry.variances))
    rows = tuple(
        (entry.question, *(number(entry.variances.get(name), 3) for name in names))
        for entry in score.components
        if entry.variances
    )
    group = "models" if score.kind != "acr" else "model"
    heads = ("question", *(name.replace("group", group) for name in names))
    yield Section("variances", "Variances of the mixed model", heads, rows)


def _left_out(score: StudyScore) -> Iterator[Section]:
    if score.screening:
        rows = tuple((entry.rater, "; ".join(entry.reasons)) for entry in score.screening.left_out)
        yield Section("left-out", "Excluded raters", ("rater", "reason"), rows, words=True)


def _undefined(score: StudyScore) -> Iterator[Section]:
    rows = tuple((entry.question, entry.what, entry.why) for entry in score.undefined)
    yield Section("undefined", "Not computed", ("question", "value", "reason"), rows, words=True)


def _ends(of: Interval | Value, signed: bool = False) -> str:
    return interval(of.low, of.high, DIGITS, signed) or "–"


def _of(of: Interval | Value | None, signed: bool = False) -> str:
    return (
        "–"
        if of is None
        else f"{number(of.value, DIGITS, signed)} {interval(of.low, of.high, DIGITS, signed)}".rstrip()
    )


def _p(value: Value) -> str:
    return "–" if value.p_holm is None else p_value(value.p_holm)
