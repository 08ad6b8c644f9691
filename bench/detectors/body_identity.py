"""Person re-identification for the AED of bodies, by a detector that an installed package registers.

The authors use the network of Hermans et al. (2017), published as a TensorFlow checkpoint, which this program cannot
read. A package can provide it, or another network, by the entry point ``body-identity`` in the group
``talking_head_bench.detectors``: a callable of ``device`` (text) and ``weights`` (the weights folder, or None) that
returns a `Detector` of that kind.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.detectors import registered
from bench.detectors.base import Detection, Detector
from protocols import plugins

GROUP, KIND, NAME = plugins.GROUPS["detector"], "body-identity", "re-identification"


class ReIdentification(Detector):
    """The registered detector, under the name that `aed-body` uses; its signature contains the detector's."""

    kind, name, proxy = KIND, NAME, False

    def __init__(self, detector: Detector) -> None:
        self.detector, self.shape = detector, tuple(detector.shape)

    @property
    def signature(self) -> str:
        return f"{self.name};of:{self.detector.signature}"

    def detect(self, frames: np.ndarray) -> list[Detection]:
        return self.detector.detect(frames)


def make(weights: Path | None, device: str = "cpu") -> ReIdentification:
    """Return the installed package's detector. Raises PluginError for several, or a broken one."""
    return ReIdentification(registered.make(KIND, weights, device, ()))


def missing() -> list[str]:
    """Return what is missing for this detector, as text."""
    found = plugins.registered("detector").get(KIND, ())
    if len(found) > 1:
        return [f"several packages register {KIND}: {', '.join(map(str, found))}"]
    return [] if found else [f"no installed package registers a detector {KIND} in the group {GROUP}"]
