"""Log-probabilities of phones from the package hama, as a feature of speech."""

from __future__ import annotations

import numpy as np

from baselines.errors import ModelError
from baselines.speech import hama
from baselines.speech.feature import SpeechFeature, at, at_16_khz
from protocols.sound import Sound

FLOOR = -20.0  # log-probability below which differences have no meaning


class Phones(SpeechFeature):
    """191 tokens of the IPA, 50 rows per second; at 25 frames per second each frame has the mean of two rows.

    The constructor raises ModelError if hama is not installed.
    """

    name, width, rate = "hama", 191, float(hama.PHONE_RATE)

    def __init__(self) -> None:
        if lacking := hama.missing():
            raise ModelError(f"speech feature hama: {lacking[0]}", code="missing-package")

    @property
    def signature(self) -> str:
        return f"hama;version:{hama.HAMA};level:{hama.LEVEL};floor:{FLOOR:g};at:linear"

    def rows(self, sound: Sound, times: np.ndarray) -> np.ndarray:
        samples = at_16_khz(sound)
        if not len(samples):
            return np.zeros((len(times), self.width), np.float32)
        found = np.maximum(hama.phones(samples), FLOOR)
        return at(times, found, sound.start + hama.PHONE_START, self.rate)
