"""One interface for what a model hears, and features by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np

from baselines.errors import ModelError
from protocols.sound import Sound

NAMES = ("hama", "log-mel")


class SpeechFeature(ABC):
    """A feature of speech.

    name: as a user asks for it. width: numbers a row. rate: rows a second that it is computed at.
    signature: all that moves its numbers, in one line.
    """

    name: str
    width: int
    rate: float

    @property
    @abstractmethod
    def signature(self) -> str:
        """All that moves the numbers, in one line."""

    @abstractmethod
    def rows(self, sound: Sound, times: np.ndarray) -> np.ndarray:
        """Features ``(len(times), width)``, float32, of frames that are shown at these times.

        times: seconds on the clip's clock. The rows of some times are those that all times together have.
        """

    def of(self, clip: str, begins: float = 0.0) -> SpeechFeature:
        """The feature for one clip: itself, but where features were computed before, clip by clip.

        begins: the second of the clip that is time 0 from now on.
        """
        return self


def feature(name: str, rate: float = 25.0) -> SpeechFeature:
    """A feature by name: ``hama``, ``log-mel``, or a ``.npy`` file, or a folder with one for each clip.

    rate: rows a second of a file. Raises ModelError for other names and for what does not fit.
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
    """Rows ``(n, F)`` at these times, float32: linear between the two nearest, the first and the last beyond the ends.

    start: seconds on the clock of the times of the first row.
    """
    place = ((np.asarray(times, float) - start) * rate).clip(0, len(rows) - 1)
    low = np.minimum(place.astype(int), max(len(rows) - 2, 0))
    share = (place - low)[:, None].astype(np.float32)
    above = np.minimum(low + 1, len(rows) - 1)
    return np.asarray(rows[low] * (1 - share) + rows[above] * share, np.float32)


def at_16_khz(sound: Sound) -> np.ndarray:
    """The samples. Raises ModelError for another rate: `protocols.sound.read` resamples what it reads."""
    if sound.rate != 16000:
        raise ModelError(f"speech is read at 16 kHz, not at {sound.rate} samples a second", code="bad-value")
    return sound.samples
