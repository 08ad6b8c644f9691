"""The interface of speech features, and features by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np

from baselines.errors import ModelError
from protocols.sound import Sound

NAMES = ("hama", "log-mel")


class SpeechFeature(ABC):
    """A feature of speech.

    name: for options. width: numbers per row. rate: rows per second of the computation.
    signature: all that affects its numbers, in one line.
    """

    name: str
    width: int
    rate: float

    @property
    @abstractmethod
    def signature(self) -> str:
        """Return all that affects the numbers, in one line."""

    @abstractmethod
    def rows(self, sound: Sound, times: np.ndarray) -> np.ndarray:
        """Return features ``(len(times), width)``, float32, of frames shown at these times.

        times: seconds on the clip's clock. The row of a time does not depend on the other times.
        """

    def of(self, clip: str, begins: float = 0.0) -> SpeechFeature:
        """Return the feature for one clip: itself, or the clip's file for precomputed features.

        begins: the second of the clip that becomes time 0.
        """
        return self


def feature(name: str, rate: float = 25.0) -> SpeechFeature:
    """Return a feature by name: ``hama``, ``log-mel``, a ``.npy`` file, or a folder with a file per clip.

    rate: rows per second of a file. Raises ModelError for other names and unusable files.
    """
    if name == "hama":
        from baselines.speech.phones import Phones

        return Phones()
    if name == "log-mel":
        from baselines.speech.log_mel import LogMel

        return LogMel()
    if name.endswith(".npy") or Path(name).is_dir():
        from baselines.speech.precomputed import Precomputed

        return Precomputed(Path(name), rate)
    raise ModelError(f"speech feature {name}: not {', '.join(NAMES)}, an .npy file or a folder", code="unknown-choice")


def at(times: np.ndarray, rows: np.ndarray, start: float, rate: float) -> np.ndarray:
    """Return `rows` ``(n, F)`` at these times, float32: linear interpolation, the first and last row beyond the ends.

    start: time of the first row in seconds.
    """
    place = ((np.asarray(times, float) - start) * rate).clip(0, len(rows) - 1)
    low = np.minimum(place.astype(int), max(len(rows) - 2, 0))
    share = (place - low)[:, None].astype(np.float32)
    above = np.minimum(low + 1, len(rows) - 1)
    return np.asarray(rows[low] * (1 - share) + rows[above] * share, np.float32)


def at_16_khz(sound: Sound) -> np.ndarray:
    """Return the samples. Raises ModelError for another rate; `protocols.sound.read` can resample."""
    if sound.rate != 16000:
        raise ModelError(f"speech is read at 16 kHz, not at {sound.rate} samples per second", code="bad-value")
    return sound.samples
