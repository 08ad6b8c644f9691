"""Printed opinion scores next to those of a study, as lines like those of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from protocols import files
from protocols.words import counted
from reports.paper.causes import cause
from reports.paper.measured import Cell, Line, Measured
from reports.paper.printed import Column, Row, Table, TableError
from reports.schema.base import Damaged
from reports.schema.study_score import Opinion, StudyScore, parse_study_score

SCORE = Path("score", "score.json")  # in a study's folder
OTHERS = cause("other-raters")


@dataclass(frozen=True)
class ScoredStudy:
    """The parts of a study's folder that tables use."""

    name: str
    score: StudyScore

    def feeds(self, table: Table) -> bool:
        """Return whether it has an opinion for a cell of a table."""
        return any(self.fills(table, row, column) for row in table.rows for column in table.columns)

    def fills(self, table: Table, row: Row, column: Column) -> bool:
        """Return whether the study has a cell's question, on clips of the cell's protocol."""
        matches = column.question in [question.name for question in self.score.questions]
        kind = {"acr": "mos", "ccr": "cmos"}.get(self.score.kind)
        return matches and column.family == kind and table.protocol_of(row, column) in self.score.protocols


def read_study(folder: Path) -> ScoredStudy:
    """Read a scored study. Raises TableError where there is none."""
    file = folder / SCORE
    try:
        score = parse_study_score(files.content(file))
    except OSError as error:
        raise TableError(
            f"{folder}: no scored study ({SCORE}: {error.strerror}); bench study score makes it", code="no-study"
        ) from None
    except Damaged as error:
        raise TableError(f"{file} is damaged ({error})", code="bad-study") from None
    return ScoredStudy(f"study {score.name}", score)


def study_lines(table: Table, study: ScoredStudy) -> list[Line]:
    """Return a line for each row whose model was rated, then one for each rated model that no row has."""
    if not study.feeds(table):
        return []
    models = list(dict.fromkeys(name for one in study.score.opinions for name in (one.model, one.other) if name))
    beside = [_line(table, row, row.model, study) for row in table.rows if row.model in models]
    taken = {line.model for line in beside}
    return [*beside, *(_line(table, None, model, study) for model in models if model not in taken)]


def _line(table: Table, row: Row | None, model: str | None, study: ScoredStudy) -> Line:
    assert model is not None
    cells: list[Cell | None] = []
    for place, column in enumerate(table.columns):
        rows: Sequence[Row] = (row,) if row else table.rows
        if not any(study.fills(table, one, column) for one in rows):
            cells.append(None)
            continue
        printed = row.printed[place] if row else None
        measured = _measured(column, model, study.score)
        causes = [OTHERS]
        causes += [cause("not-printed")] if printed is None else []
        causes += [cause("not-rated")] if measured is None else []
        cells.append(Cell(printed, measured, tuple(causes)))
    return Line(row, model, study.name, (OTHERS,), tuple(cells))


def _measured(column: Column, model: str, score: StudyScore) -> Measured | None:
    """Return the opinion on a model; in comparisons against the study's reference model, whose own opinion is 0."""
    own = [one for one in score.opinions if one.question == column.question]
    if column.family == "cmos" and model == score.against:
        return _of(column, score, 0.0, None, None, 0)
    for one in own:
        if one.model == model and one.other in (None, score.against) and (one.other is None) == (score.kind == "acr"):
            return _of(column, score, one.mean.value, one.mean.low, one.mean.high, one.mean.n, one)
    return None


def _of(
    column: Column,
    score: StudyScore,
    value: float,
    low: float | None,
    high: float | None,
    n: int,
    one: Opinion | None = None,
) -> Measured:
    rule = score.screening.rule if score.screening else "none"
    low_grade, high_grade = next((q.low, q.high) for q in score.questions if q.name == column.question)
    raters, clips = (one.mean.raters, one.mean.clips) if one else (score.raters, score.clips)
    facts = {
        "question": column.question,
        "grades": f"{low_grade:g}..{high_grade:g}",
        "raters": raters,
        "clips": clips,
        "screening": rule,
        "votes": score.votes_sha256[:8],
    }
    if score.against:
        facts["against"] = score.against
    signature = "|".join([column.family, *(f"{name}:{fact}" for name, fact in facts.items())])
    short = f"{column.family.upper()} of {column.question}, {counted(raters, 'rater')}, {counted(clips, 'clip')}"
    return Measured(f"{column.family}-{column.question}", signature, short, value, low, high, n, n)
