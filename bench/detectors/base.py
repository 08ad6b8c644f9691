"""The interface of detectors, which compute a few numbers from a frame, or a reason why there are none."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

NO_FACE = "no face found"


@dataclass(frozen=True)
class Detection:
    """The result of a detector for one frame.

    values: float64 array of the detector's `shape`, or None.
    reason: why `values` is None, as text; else None.
    cacheable: False if another run may succeed, as after a process that hung or died.
    """

    values: np.ndarray | None
    reason: str | None = None
    cacheable: bool = True


class Detector(ABC):
    """Computes numbers from frames. A frame's result never depends on the other frames of the call.

    kind: "landmarks" ``(68, 2)``: x and y in pixels of the frame resized to a width of 256;
        "identity" ``(128,)``; "arcface" ``(512,)``; "headpose" ``(3,)``: pitch, yaw, roll in degrees;
        "action_units" ``(K,)`` in [0, 1]; "body-landmarks" ``(18, 2)``: x and y in pixels of the frame, NaN for a
        missing joint; "body-identity" ``(D,)``. By Google's face networks, embedded only: "face" ``(5,)``,
        "mesh" ``(468, 3)``, "landmarks-mesh" ``(68, 2)``, "headpose-mesh" ``(3,)``, "eyes" ``(2, 76, 2)``, "lids"
        ``(2,)``, "iris" ``(2,)``; see each class.
    name: short name, as in `Definition.detector_name`.
    proxy: True for an embedded detector that replaces a paper's own.
    shape: shape of one frame's values.
    device: torch device of its network; "cpu" without one.
    """

    kind: str
    name: str
    proxy: bool
    shape: tuple[int, ...]
    device: str = "cpu"

    @property
    @abstractmethod
    def signature(self) -> str:
        """Return one line with all that determines its values: name, version, hash of weights, settings, library."""

    @abstractmethod
    def detect(self, frames: np.ndarray) -> list[Detection]:
        """Return a `Detection` for each frame of uint8 RGB ``(N, H, W, 3)``."""


class DerivedDetector(Detector):
    """Computes its values from another detector's, so that several kinds share the slow part."""

    def __init__(self, base: Detector) -> None:
        self.base = base

    @abstractmethod
    def derive(self, values: np.ndarray, frame: np.ndarray) -> Detection:
        """Return the result for one frame, uint8 RGB ``(H, W, 3)``, from the base's values."""

    def derive_all(self, values: np.ndarray, frames: np.ndarray) -> list[Detection]:
        """Return `derive` for values ``(N, ...)`` and frames ``(N, H, W, 3)``; override it to compute in batches."""
        return [self.derive(one, frame) for one, frame in zip(values, frames)]

    def detect(self, frames: np.ndarray) -> list[Detection]:
        """Detect like `Detector.detect`; a frame without base values keeps the base's reason."""
        found = self.base.detect(frames)
        good = {k: one.values for k, one in enumerate(found) if one.values is not None}
        if good:
            made = self.derive_all(np.stack(list(good.values())), frames[list(good)])
            found = [*found]
            for k, one in zip(good, made, strict=True):
                found[k] = one
        return found


def as_array(detections: Sequence[Detection], shape: tuple[int, ...]) -> np.ndarray:
    """Stack detections to ``(N, *shape)`` float64, NaN for frames without values, as the metrics need."""
    empty = np.full(shape, np.nan)
    values = [empty if detection.values is None else detection.values for detection in detections]
    return np.stack(values).astype(np.float64) if values else np.zeros((0, *shape))
