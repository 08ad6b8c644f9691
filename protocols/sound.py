"""The sound of a clip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Sound:
    """Mono sound on the clock of a clip.

    samples: int16 ``(n,)``. rate: samples a second. start: seconds from the clip's first frame to the first sample.
    """

    samples: np.ndarray
    rate: int
    start: float = 0.0

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / self.rate
