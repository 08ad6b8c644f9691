"""The first stage in use: the sound of a clip to the faces of the template's person."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from baselines.memface.audio_to_expression import AudioToExpression, stream
from baselines.memface.basis import Basis
from baselines.memface.expression_file import RATE
from baselines.speech.feature import SpeechFeature
from protocols.sound import Sound

NEAR = 1e-6  # tolerance, in frames, between a time and a frame of the network


class Speaker(ABC):
    """Predict faces from speech."""

    @abstractmethod
    def faces(
        self, sound: Sound, times: np.ndarray, aligned: np.ndarray, clip: str, begins: float = 0.0
    ) -> Iterator[np.ndarray]:
        """Yield faces ``(V, 3)`` in cm of the canonical face, one for each of `times`, on demand.

        times: seconds on the sound's clock. aligned: meshes ``(n, 468, 3)`` of the person, for its shape. clip, begins:
        id, and the second of its video that is time 0, for precomputed features.
        """


@dataclass(frozen=True)
class HeardSpeaker(Speaker):
    """Speech feature, network and basis."""

    network: AudioToExpression
    basis: Basis
    feature: SpeechFeature

    def faces(
        self, sound: Sound, times: np.ndarray, aligned: np.ndarray, clip: str, begins: float = 0.0
    ) -> Iterator[np.ndarray]:
        person = self.basis.person(aligned)
        # The network has 25 frames per second; other times are interpolated.
        places = np.asarray(times, float) * RATE
        grid = np.arange(int(np.ceil(places[-1] - NEAR)) + 1) / RATE
        # All rows in one call, since each call may read the whole sound; rows take under a kilobyte per frame.
        heard = torch.from_numpy(self.feature.of(clip, begins).rows(sound, grid))
        rows = (row for part in stream(self.network, [heard]) for row in part.double().numpy())
        for coefficients in between(rows, places):
            yield self.basis.vertices(coefficients[None], person)[0]


def between(rows: Iterable[np.ndarray], places: np.ndarray) -> Iterator[np.ndarray]:
    """Yield linear interpolations of rows at ascending places; holds only two rows in memory."""
    iterator = iter(rows)
    low = next(iterator)
    high, number = next(iterator, low), 0
    for place in places:
        while place > number + 1 - NEAR:
            low, high, number = high, next(iterator, high), number + 1
        share = place - number
        yield low if share < NEAR else low + (high - low) * share
