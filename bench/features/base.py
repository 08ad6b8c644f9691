"""What turns the frames of one clip, in order, into numbers: a row a frame, or rows on a clock of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol

import numpy as np

from protocols.sound import Sound


class Recorder(Protocol):
    """Takes one clip, frame after frame, and gives its rows at the end."""

    def add(self, frames: np.ndarray, times: np.ndarray) -> None:
        """Take the clip's next frames, uint8 RGB ``(n, H, W, 3)``, and their times ``(n,)`` in seconds."""

    def finish(self) -> np.ndarray:
        """Return the rows, float64 ``(M, *shape)``, NaN where there is no value; nothing is added afterwards."""


class Feature(ABC):
    """Numbers of a clip that no detector gives.

    name: short name, unique among features and kinds of detectors. shape: shape of one row.
    own_clock: False where each frame has its row, so that a frame that was not made has NaN and the next one begins
        again; True where rows are on a clock of the feature's own, which sees to that itself.
    """

    name: str
    shape: tuple[int, ...]
    own_clock: bool = False

    @property
    @abstractmethod
    def signature(self) -> str:
        """One line that names everything that moves its values: name, version, settings, weights' hash, library."""

    @abstractmethod
    def start(self, sound: Sound | None) -> Recorder:
        """Return a new recorder for one clip, whose sound this is; its state is that clip's alone.

        Its rows do not depend on how the frames fall into calls.
        """
