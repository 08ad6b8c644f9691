"""What a frame feature is: something that turns the frames of one clip, in order, into a few numbers a frame."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np

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
