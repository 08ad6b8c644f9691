"""Power in 26 mel bands: a simple feature of speech without a learned network."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.ndimage import uniform_filter1d

from baselines.speech.feature import SpeechFeature, at, at_16_khz
from baselines.speech.mfcc import FILTERS, RATE, STEP, WINDOW, filterbank, power_spectrum
from protocols.sound import Sound

FLOOR = 1e3  # added to the power of int16 samples, so that silence is not minus infinity
LEVEL = 0.7 * 32768  # of the loudest sample
SMOOTHED = 4  # columns, 40 ms, a frame at 25 per second
PART = 2000  # columns at a time


class LogMel(SpeechFeature):
    """Logarithm of the power in 26 mel bands, 100 rows per second, each a mean over 40 ms; the level is normalized."""

    name, width, rate = "log-mel", FILTERS, RATE / STEP

    @property
    def signature(self) -> str:
        return f"log-mel;v:1;bands:{FILTERS};floor:{FLOOR:g};level:{LEVEL / 32768:g};mean:{SMOOTHED};at:linear"

    def rows(self, sound: Sound, times: np.ndarray) -> np.ndarray:
        samples = at_16_khz(sound)
        if not len(samples):
            return np.zeros((len(times), self.width), np.float32)
        scale = LEVEL / max(int(samples.max()), -int(samples.min()), 1)
        energies = np.concatenate(list(_energies(samples, scale)))
        smooth = uniform_filter1d(energies, SMOOTHED, axis=0, mode="nearest")
        # The center of a mean over an even number of columns is half a column before its own.
        return at(times, smooth, sound.start + (WINDOW / 2 - STEP / 2) / RATE, self.rate)


def _energies(samples: np.ndarray, scale: float) -> Iterator[np.ndarray]:
    """Yield columns in parts, equal to those of the whole."""
    count = 1 + max(0, -(-(len(samples) - WINDOW) // STEP))
    filters = filterbank().T
    for first in range(0, count, PART):
        last = min(first + PART, count)
        before = min(first, 1)  # a part's first sample has no predecessor, so the column with it is dropped
        part = samples[(first - before) * STEP : (last - 1) * STEP + WINDOW] * scale
        yield np.log(power_spectrum(part)[before:] @ filters + FLOOR)
