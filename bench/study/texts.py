"""Texts that raters read before they begin; an organizer can change them in ``study.json`` before inviting raters."""

from __future__ import annotations

from reports.schema.study import Kind

CONSENT = (
    "You are asked to watch short videos of talking people and to say how good they are. Some of the videos are "
    "made by computer programs.",
    "Taking part is voluntary. You can stop at any time by closing the page, without giving a reason.",
    "We store your answers, their times and how long you took. We do not store your name, your address or your IP "
    "address. The answers are published as tables without names.",
)
_BEFORE = (
    "Use a screen large enough to see details, and headphones if possible. Turn the sound on.",
    "The first videos are for practice; their answers do not count.",
)
_HOW: dict[Kind, str] = {
    "acr": "Each video plays once to its end before you can answer. You may play it again. Judge what you see and "
    "hear, not what is said.",
    "ccr": "Two videos of the same words play at the same time, with one sound. Both play once to their end before "
    "you can answer. You may play them again. Tell us how the left one compares with the right one.",
    "preference": "Two videos of the same words play at the same time, with one sound. Both play once to their end "
    "before you can answer. You may play them again. Tell us which one is better.",
}


def instructions(kind: Kind) -> tuple[str, ...]:
    """Return the paragraphs of the instructions."""
    return (_HOW[kind], *_BEFORE)
