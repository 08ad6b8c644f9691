"""The first stage at work: the sound of a clip to the faces that its template's person shows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from baselines.memface.audio_to_expression import AudioToExpression, stream
from baselines.memface.basis import Basis
from baselines.speech.feature import SpeechFeature
from protocols.sound import Sound


class Speaker(ABC):
    """Says what a face does while something is said."""

    @abstractmethod
    def faces(self, sound: Sound, times: np.ndarray, aligned: np.ndarray, clip: str) -> Iterator[np.ndarray]:
        """Yield faces ``(V, 3)`` in cm of the canonical face, one for each of `times`, as they are needed.

        times: seconds on the clip's clock. aligned: meshes ``(n, 468, 3)`` of the person, by which its shape is known.
        clip: id, for features that were computed before.
        """


@dataclass(frozen=True)
class HeardSpeaker(Speaker):
    """Speech feature, network and basis."""

    network: AudioToExpression
    basis: Basis
    feature: SpeechFeature

    def faces(self, sound: Sound, times: np.ndarray, aligned: np.ndarray, clip: str) -> Iterator[np.ndarray]:
        person = self.basis.person(aligned)
        # All rows in one call, since a feature may read the whole sound for each: under a kilobyte a frame.
        heard = torch.from_numpy(self.feature.of(clip).rows(sound, times))
        for coefficients in stream(self.network, [heard]):
            yield from self.basis.vertices(coefficients.double().numpy(), person)
