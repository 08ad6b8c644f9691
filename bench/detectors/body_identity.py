"""Person re-identification for bodies' AED: a detector that an installed package registers.

The authors take the network of Hermans et al. (2017), published as a TensorFlow checkpoint, which nothing here opens. A
package brings it, or another network, by the entry point ``body-identity`` in the group
``talking_head_bench.detectors``: a callable of ``device`` (text) and ``weights`` (the weights folder, or None) that
returns a `Detector` of that kind.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import numpy as np

from bench.detectors.base import Detection, Detector
from bench.runtime.errors import UserError

GROUP, KIND, NAME = "talking_head_bench.detectors", "body-identity", "re-identification"


class ReIdentification(Detector):
    """The registered detector, under the name that `aed-body` asks for; its signature names itself."""

    kind, name, proxy = KIND, NAME, False

    def __init__(self, detector: Detector) -> None:
        self.detector, self.shape = detector, tuple(detector.shape)

    @property
    def signature(self) -> str:
        return f"{self.name};of:{self.detector.signature}"

    def detect(self, frames: np.ndarray) -> list[Detection]:
        return self.detector.detect(frames)


def make(weights: Path | None, device: str = "cpu") -> ReIdentification:
    """The detector of the installed package. Raises UserError where there is none, several, or one that is broken."""
    found = _entries()
    if len(found) != 1:
        raise UserError(f"{NAME}: {missing()[0]}")
    try:
        detector = found[0].load()(device=device, weights=weights)
    except UserError:
        raise
    except Exception as error:  # foreign code may fail in any way
        reason = (str(error).splitlines() or [""])[0]
        raise UserError(f"{NAME}: {found[0].value} failed: {type(error).__name__}: {reason}") from error
    if not isinstance(detector, Detector) or getattr(detector, "kind", None) != KIND:
        raise UserError(f"{NAME}: {found[0].value} gave no detector of the kind {KIND}")
    return ReIdentification(detector)


def missing() -> list[str]:
    """What keeps this detector from working, in words."""
    found = _entries()
    if len(found) > 1:
        return [f"several packages register {KIND}: {', '.join(entry.value for entry in found)}"]
    return [] if found else [f"no installed package registers a detector {KIND} in the group {GROUP}"]


def _entries() -> list[EntryPoint]:
    return list(entry_points(group=GROUP, name=KIND))
