"""The interface of features: numbers of a clip without a detector, a row per frame or on a separate clock."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol

import numpy as np

from protocols.sound import Sound


class Recorder(Protocol):
    """Records one clip, frame by frame, and returns its rows at the end."""

    def add(self, frames: np.ndarray, times: np.ndarray) -> None:
        """Add the clip's next frames, uint8 RGB ``(n, H, W, 3)``, and their times ``(n,)`` in seconds."""

    def finish(self) -> np.ndarray:
        """Return the rows, float64 ``(M, *shape)``, NaN without a value; call it last."""


class Feature(ABC):
    """Numbers of a clip that need no detector.

    name: short name, unique among features and kinds of detectors. shape: shape of one row.
    own_clock: False: a row per frame; a missing frame has NaN, and the next one starts again. True: rows have their
        own clock, and the feature handles missing frames.
    """

    name: str
    shape: tuple[int, ...]
    own_clock: bool = False

    @property
    @abstractmethod
    def signature(self) -> str:
        """Return one line with all that determines its values: name, version, settings, hash of weights, library."""

    @abstractmethod
    def start(self, sound: Sound | None) -> Recorder:
        """Return a new recorder for one clip with this sound.

        Its rows do not depend on the batches in which frames are added.
        """
