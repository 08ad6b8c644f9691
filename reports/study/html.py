"""A study's score as one self-contained page."""

from __future__ import annotations

from markupsafe import Markup

from reports.run import page as pages
from reports.schema.study_score import StudyScore
from reports.study import figure, view


def page(score: StudyScore) -> str:
    """Return the page; names of models, clips and raters are escaped."""
    tables = view.sections(score)
    return (
        pages.draw(
            "study_score.html.j2",
            sections=[*((table.name, table.title.split(":")[0]) for table in tables), ("notes", "Notes")],
            digest=pages.digest_of(score.content()),
            score=score,
            head=view.head(score),
            tables=tables,
            trusted=view.trusted(score),
            notes=view.notes(score),
            figures={
                table.name: [Markup(svg) for svg in [figure.of_section(score, table.name)] if svg] for table in tables
            },
        )
        + "\n"
    )
