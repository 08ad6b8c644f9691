"""What turns the frames of one clip, in order, into numbers: a few a frame, or rows on a clock of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol

import numpy as np

from protocols.sound import Sound

# Takes the clip's next frames, uint8 RGB (n, H, W, 3), and their times (n,) in seconds; gives float64 (n, *shape).
Step = Callable[[np.ndarray, np.ndarray], np.ndarray]


class FrameFeature(ABC):
    """Numbers of single frames, or of a frame and those before it, that no detector gives.

    name: short name, unique among features and kinds of detectors. shape: shape of one frame's values.
    """

    name: str
    shape: tuple[int, ...]

    @property
    @abstractmethod
    def signature(self) -> str:
        """One line that names everything that moves its values: name, version, settings, library."""

    @abstractmethod
    def start(self) -> Step:
        """Return a new function for one clip; its state is that clip's alone.

        It gives NaN where a frame has no value. Its values do not depend on how the frames fall into calls.
        """


class Recorder(Protocol):
    """Takes one clip, frame after frame, and gives its rows at the end."""

    def add(self, frames: np.ndarray, times: np.ndarray) -> None:
        """Take the clip's next frames, uint8 RGB ``(n, H, W, 3)``, and their times ``(n,)`` in seconds."""

    def finish(self) -> np.ndarray:
        """Return the clip's rows ``(M, *shape)``; nothing is added afterwards."""


class ClipFeature(ABC):
    """Numbers that need frames to come, the sound, or rows on a clock of their own: what `FrameFeature` cannot give.

    name: short name, unique among features and kinds of detectors. shape: shape of one row.
    """

    name: str
    shape: tuple[int, ...]

    @property
    @abstractmethod
    def signature(self) -> str:
        """One line that names everything that moves its values: name, version, settings, weights' hash, library."""

    @abstractmethod
    def start(self, sound: Sound | None) -> Recorder:
        """Return a new recorder for one clip, whose sound this is; its state is that clip's alone.

        Its rows do not depend on how the frames fall into calls.
        """
