"""The data for a rater's browser: the study's texts and questions, and trials without models, clips or checks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.study.sitting import TEXT, Rules
from bench.web.headers import policy
from reports.schema.study import Study, Trial

WEB = Path(__file__).parent / "web"
SCRIPTS = ("sources.js", "player.js", "study.js")  # scripts of a rater's page, each after those that it needs
STYLE = "study.css"
POLICY = policy(
    script_src="'self'",
    style_src="'self'",
    media_src="'self' blob:",
    connect_src="'self'",
    img_src="data:",
    form_action="'none'",
)


def texts(study: Study) -> dict[str, Any]:
    """Return the texts for all raters, as JSON."""
    return {
        "name": study.name,
        "pairs": study.kind != "acr",
        "consent": list(study.consent),
        "instructions": list(study.instructions),
        "asked": [{"name": one.name, "text": one.text, "longest": TEXT} for one in study.asked],
        "questions": [
            {
                "name": question.name,
                "text": question.text,
                "grades": [{"value": grade.value, "label": grade.label} for grade in question.grades],
            }
            for question in study.questions
        ],
    }


def trial(rules: Rules, one: Trial, number: int, total: int) -> dict[str, Any]:
    """Return a trial. A check or a repetition looks like any other."""
    return {
        "id": one.id,
        "practice": one.kind == "training",
        "videos": [f"media/{stimulus}.mp4" for stimulus in one.stimuli],
        "seconds": rules.seconds(one),
        "number": number + 1,
        "total": total,
    }
