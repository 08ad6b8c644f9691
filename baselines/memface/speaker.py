"""The first stage at work: the sound of a clip to the faces that its template's person shows."""

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

NEAR = 1e-6  # frames by which a time may miss one of the network's


class Speaker(ABC):
    """Says what a face does while something is said."""

    @abstractmethod
    def faces(
        self, sound: Sound, times: np.ndarray, aligned: np.ndarray, clip: str, begins: float = 0.0
    ) -> Iterator[np.ndarray]:
        """Yield faces ``(V, 3)`` in cm of the canonical face, one for each of `times`, as they are needed.

        times: seconds on the clock of the sound. aligned: meshes ``(n, 468, 3)`` of the person, by which its shape is
        known. clip, begins: id, and the second of its video that is time 0, for features that were computed before.
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
        # The network knows 25 frames a second; others are between them.
        places = np.asarray(times, float) * RATE
        grid = np.arange(int(np.ceil(places[-1] - NEAR)) + 1) / RATE
        # All rows in one call, since a feature may read the whole sound for each: under a kilobyte a frame.
        heard = torch.from_numpy(self.feature.of(clip, begins).rows(sound, grid))
        rows = (row for part in stream(self.network, [heard]) for row in part.double().numpy())
        for coefficients in between(rows, places):
            yield self.basis.vertices(coefficients[None], person)[0]


def between(rows: Iterable[np.ndarray], places: np.ndarray) -> Iterator[np.ndarray]:
    """What lies at rising places between rows, linear, one for each place; of the rows two are held."""
    iterator = iter(rows)
    low = next(iterator)
    high, number = next(iterator, low), 0
    for place in places:
        while place > number + 1 - NEAR:
            low, high, number = high, next(iterator, high), number + 1
        share = place - number
        yield low if share < NEAR else low + (high - low) * share
