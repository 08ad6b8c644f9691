"""What a detector is: something slow that turns a frame into a few numbers, or says why it cannot."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

NO_FACE = "no face found"


@dataclass(frozen=True)
class Detection:
    """What a detector says of one frame.

    values: float64 array of the detector's `shape`, or None where there is none.
    reason: why there is none, in words; None where there are values.
    lasting: False where another run may find otherwise, after a process that hung or died; such are not kept.
    """

    values: np.ndarray | None
    reason: str | None = None
    lasting: bool = True


class Detector(ABC):
    """Turns frames into numbers. A frame's result never depends on the other frames of the call.

    kind: "landmarks" ``(68, 2)``: x and y in pixels of the frame brought to a width of 256;
        "identity" ``(128,)``; "arcface" ``(512,)``; "headpose" ``(3,)``: pitch, yaw, roll in degrees;
        "action_units" ``(K,)`` in [0, 1]; "body-landmarks" ``(18, 2)``: x and y in pixels of the frame, NaN for a joint
        that is not found; "body-identity" ``(D,)``. By Google's face networks, embedded only: "face" ``(5,)``,
        "mesh" ``(468, 3)``, "landmarks-mesh" ``(68, 2)``, "headpose-mesh" ``(3,)``, "eyes" ``(2, 76, 2)``, "lids"
        ``(2,)``, "iris" ``(2,)``; each class says what its numbers are.
    name: short name, the same that `Definition.detector_name` asks for.
    proxy: True for an embedded detector that stands in for a paper's own.
    shape: shape of one frame's values.
    device: torch device of its network; "cpu" where it has none.
    """

    kind: str
    name: str
    proxy: bool
    shape: tuple[int, ...]
    device: str = "cpu"

    @property
    @abstractmethod
    def signature(self) -> str:
        """One line that names everything that moves its values: name, version, weights' hash, settings, library."""

    @abstractmethod
    def detect(self, frames: np.ndarray) -> list[Detection]:
        """One `Detection` a frame of uint8 RGB ``(N, H, W, 3)``."""


class DerivedDetector(Detector):
    """Computes its values from those of another detector, so that the slow part is done once for several kinds."""

    def __init__(self, base: Detector) -> None:
        self.base = base

    @abstractmethod
    def derive(self, values: np.ndarray, frame: np.ndarray) -> Detection:
        """From the base's values of one frame and the frame itself, uint8 RGB ``(H, W, 3)``."""

    def derive_all(self, values: np.ndarray, frames: np.ndarray) -> list[Detection]:
        """`derive` for values ``(N, ...)`` and frames ``(N, H, W, 3)``; one that gains by a batch overrides this."""
        return [self.derive(one, frame) for one, frame in zip(values, frames)]

    def detect(self, frames: np.ndarray) -> list[Detection]:
        """As `Detector.detect`; a frame without a base value keeps the base's reason."""
        found = self.base.detect(frames)
        good = {k: one.values for k, one in enumerate(found) if one.values is not None}
        if good:
            made = self.derive_all(np.stack(list(good.values())), frames[list(good)])
            found = [*found]
            for k, one in zip(good, made, strict=True):
                found[k] = one
        return found


def as_array(detections: Sequence[Detection], shape: tuple[int, ...]) -> np.ndarray:
    """``(N, *shape)`` float64, NaN where a frame has no values; what the metrics take."""
    empty = np.full(shape, np.nan)
    values = [empty if detection.values is None else detection.values for detection in detections]
    return np.stack(values).astype(np.float64) if values else np.zeros((0, *shape))
