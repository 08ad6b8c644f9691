"""A study's score as one self-contained page."""

from __future__ import annotations

from markupsafe import Markup

from reports.run import page as pages
from reports.run import plots
from reports.schema.study_score import StudyScore
from reports.study import figure, view


def page(score: StudyScore) -> str:
    """The page; names of models, clips and raters are text, whatever they look like."""
    sections = view.sections(score)
    return (
        pages.draw(
            "study_score.html.j2",
            score=score,
            head=view.head(score),
            sections=sections,
            trusted=view.trusted(score),
            notes=view.notes(score),
            palette=plots.palettes(),
            figures={
                section.name: [Markup(svg) for svg in [figure.of_section(score, section.name)] if svg]
                for section in sections
            },
        )
        + "\n"
    )
