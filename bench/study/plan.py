"""The trials of each rater: ratings in order, with training before and checks in between."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.study.design import Turn
from reports.schema.study import Expected, Id, Question, Rater, Trial

APART = 5  # least number of ratings between a trial and its repetition, if there are as many


@dataclass(frozen=True)
class Checks:
    """The videos of training and checks.

    training: clip and videos of each training trial. attention: clip, videos and the degraded one of each check.
    """

    training: Sequence[tuple[str, tuple[Id, ...]]]
    attention: Sequence[tuple[str, tuple[Id, ...], int]]


def raters(
    ordered: Sequence[Sequence[Turn]],
    videos: dict[tuple[str, str], Id],
    checks: Checks,
    questions: Sequence[Question],
    repeats: int,
    new_id: Callable[[], Id],
    rng: random.Random,
) -> tuple[Rater, ...]:
    """Return every rater's trials. videos: id by clip and model. repeats: trials that each rater sees again."""
    planned = []
    for slot, turns in enumerate(ordered):
        ratings = [
            Trial(
                id=new_id(),
                kind="rating",
                stimuli=tuple(videos[turn.clip, model] for model in turn.models),
                clip=turn.clip,
            )
            for turn in turns
        ]
        shown = _repeated(ratings, repeats, new_id, rng)
        for number, check in enumerate(checks.attention):
            trial = _attention(check, slot + number, questions, new_id())
            place = round((number + rng.uniform(0.3, 0.9)) * len(ratings) / len(checks.attention))
            shown.insert(max(1, min(place + number, len(shown))), trial)
        training = [Trial(id=new_id(), kind="training", stimuli=ids, clip=clip) for clip, ids in checks.training]
        planned.append(Rater(slot=slot, trials=(*training, *shown)))
    return tuple(planned)


def _repeated(ratings: list[Trial], repeats: int, new_id: Callable[[], Id], rng: random.Random) -> list[Trial]:
    """Return the ratings, with some of the earlier ones repeated unchanged after the later ones."""
    shown = list(ratings)
    if len(ratings) < 3:
        return shown
    early = ratings[: max(1, min(len(ratings) // 3, len(ratings) - APART))]
    for again in rng.sample(early, min(repeats, len(early))):
        first = shown.index(again) + min(APART, len(ratings) - 2) + 1
        at = rng.randint(max(first, 2 * len(shown) // 3), len(shown))
        shown.insert(at, Trial(id=new_id(), kind="repeat", stimuli=again.stimuli, clip=again.clip, repeats=again.id))
    return shown


def _attention(check: tuple[str, tuple[Id, ...], int], number: int, questions: Sequence[Question], id_: Id) -> Trial:
    """Return a check with an obvious answer. The degraded one of two videos alternates between left and right."""
    clip, ids, degraded = check
    values = sorted(grade.value for grade in questions[0].grades)
    if len(ids) == 1:  # below the middle grade: 2 of 5 or less
        expected = Expected(max=values[(len(values) - 1) // 2 - 1] if len(values) > 2 else values[0])
    else:
        if number % 2:
            ids, degraded = ids[::-1], 1 - degraded
        expected = (
            Expected(min=min(v for v in values if v > 0)) if degraded else Expected(max=max(v for v in values if v < 0))
        )
    return Trial(id=id_, kind="attention", stimuli=ids, clip=clip, expected=expected)
