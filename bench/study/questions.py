"""The questions for raters, and their grades."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bench.runtime.errors import UserError
from reports.schema.study import Asked, Grade, Kind, Question

LONGEST = 200  # characters of an organizer's question
# Name of a question to its text: of one video, of two.
TEXTS = {
    "lip-sync": (
        "How well do the mouth movements match the speech?",
        "In which video do the mouth movements match the speech better?",
    ),
    "rendering": (
        "How good is the picture: sharpness, stability, no visible errors?",
        "In which video is the picture better: sharpness, stability, no visible errors?",
    ),
    "overall": ("How good is the video overall?", "Which video is better overall?"),
    "realism": ("How much does this look like a video of a real person?", "Which video looks more real?"),
    "identity": (
        "How consistently does the face stay the same person?",
        "In which video does the face stay the same person more consistently?",
    ),
}
# Name of a scale to its grades, best first; ITU-T P.910 and P.800 (annex E), and supplement B.3 of MemFace. For
# MemFace's comparisons the paper names 2, 1 and -2: -1 is added by symmetry; whether there was a 0 is not stated.
SCALES: dict[Kind, dict[str, tuple[tuple[int, str], ...]]] = {
    "acr": {
        "p910": ((5, "Excellent"), (4, "Good"), (3, "Fair"), (2, "Poor"), (1, "Bad")),
        "memface": ((5, "Very good"), (4, "Good"), (3, "Average"), (2, "Poor"), (1, "Very poor")),
    },
    "ccr": {
        "p800": (
            *((3, "Left is much better"), (2, "Left is better"), (1, "Left is slightly better")),
            (0, "About the same"),
            *((-1, "Right is slightly better"), (-2, "Right is better"), (-3, "Right is much better")),
        ),
        "memface": (
            *((2, "Left is obviously better"), (1, "Left is a little better")),
            *((-1, "Right is a little better"), (-2, "Right is obviously better")),
        ),
        "memface-0": (
            *((2, "Left is obviously better"), (1, "Left is a little better"), (0, "About the same")),
            *((-1, "Right is a little better"), (-2, "Right is obviously better")),
        ),
    },
    "preference": {
        "forced": ((1, "Left"), (-1, "Right")),
        "ties": ((1, "Left"), (0, "No difference"), (-1, "Right")),
    },
}


def questions(names: Sequence[str], kind: Kind, scale: str | None) -> tuple[Question, ...]:
    """Return the questions of a study.

    names: of `TEXTS`. scale: a name in `SCALES`, by default the first of the kind. Raises UserError.
    """
    known = SCALES[kind]
    if scale is not None and scale not in known:
        raise UserError(
            f"--grades {scale}: not a scale of {kind}; choose one of {', '.join(known)}", code="unknown-choice"
        )
    if unknown := [name for name in names if name not in TEXTS]:
        raise UserError(f"--questions {unknown[0]}: unknown; choose from {', '.join(TEXTS)}", code="unknown-choice")
    if not names or len(set(names)) < len(names):
        raise UserError("--questions: name every question once", code="bad-value")
    chosen = known[scale or next(iter(known))]
    grades = tuple(Grade(value=value, label=label) for value, label in chosen)
    return tuple(Question(name=name, text=TEXTS[name][kind != "acr"], grades=grades) for name in names)


def asked(given: Sequence[str]) -> tuple[Asked, ...]:
    """Return the questions to ask once per rater, each from NAME=TEXT. Raises UserError."""
    found = []
    for one in given:
        name, equals, text = one.partition("=")
        if not equals or not re.fullmatch("[a-z0-9][a-z0-9-]{0,40}", name) or not 0 < len(text) <= LONGEST:
            raise UserError(
                f"--ask {one}: expected NAME=TEXT, with a name of lower-case letters, digits and -", code="bad-value"
            )
        found.append(Asked(name=name, text=text))
    if len({one.name for one in found}) < len(found):
        raise UserError("--ask: a name is given twice", code="bad-value")
    return tuple(found)
