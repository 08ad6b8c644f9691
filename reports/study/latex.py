"""A study's score for LaTeX."""

from __future__ import annotations

from reports import table as writer
from reports.schema.study_score import StudyScore
from reports.study import view
from reports.table import latex_text


def tables(score: StudyScore) -> str:
    """Return a booktabs ``tabular`` for each table, with its title as a comment and its note as small print."""
    lines: list[str] = []
    for section in view.sections(score):
        lines.append(f"% {section.title}")
        rows = [[latex_text(cell) for cell in row] for row in section.rows]
        for place in section.strong:
            rows[place] = [rf"\textbf{{{cell}}}" for cell in rows[place]]
        lines += writer.latex([[latex_text(name) for name in section.heads]], rows)
        if section.note:
            lines.append(rf"{{\footnotesize {latex_text(section.note)}\par}}")
        lines.append("")
    notes = [score.name, *view.head(score), *view.trusted(score), *view.notes(score)]
    return "\n".join([*lines, *(f"% {line}" for line in notes), ""])
