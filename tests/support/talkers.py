"""Small models driven by sound, and clips to ask them for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from baselines.predictor import PairBatch
from baselines.talking import Talk, TalkingPredictor
from protocols.sound import RATE, Sound

SIDE = 8


class Counting(TalkingPredictor):
    """Frame k has the level k / 100 everywhere. changes: what becomes of frame k, by k: a frame, or an error."""

    name = "counting"

    def __init__(self, changes: dict[int, object] | None = None, count: int | None = None) -> None:
        self.changes, self.count = changes or {}, count
        self.made: list[int] = []
        self.closed = 0

    def talk(self, talk: Talk) -> Iterator[Tensor]:
        try:
            for k in range(len(talk.times) if self.count is None else self.count):
                change = self.changes.get(k)
                if isinstance(change, BaseException):
                    raise change
                self.made.append(k)
                frame = torch.full((3, SIDE, SIDE), k / 100) if change is None else change
                yield frame  # type: ignore[misc]
        finally:
            self.closed += 1


def names(count: int) -> list[str]:
    """The ids of a clip's frames."""
    return [f"c-{k:06d}" for k in range(count)]


def talk(count: int, rate: float = 25.0) -> Talk:
    """A clip of gray frames and silence."""
    sound = Sound(np.zeros(round(count / rate * RATE), np.int16), RATE)

    def template() -> Iterator[Tensor]:
        return iter([torch.full((3, SIDE, SIDE), 0.5)] * count)

    return Talk("c", sound, tuple(k / rate for k in range(count)), rate, template, "anna", 3)


def asked(ids: list[str]) -> PairBatch:
    """A batch in which only the ids count."""
    gray = torch.full((len(ids), 3, SIDE, SIDE), 0.5)
    return PairBatch(tuple(ids), gray, gray)
