"""The face mesh as a detector (`baselines.facemesh.mesh`)."""

from __future__ import annotations

import numpy as np

from baselines.facemesh.litert import release
from baselines.facemesh.mesh import POINTS, find, settings
from bench.detectors.base import NO_FACE, Detection, Detector

WIDTH = 256


class Mesh(Detector):
    """x, y and z (away from the camera, 0 near the middle of the head) in pixels of the frame resized to `WIDTH`."""

    kind, name, proxy, shape = "mesh", "facemesh", True, (POINTS, 3)

    @property
    def signature(self) -> str:
        return f"{self.name};v:1;{settings()};scale:width-{WIDTH};{release()}"

    def detect(self, frames: np.ndarray) -> list[Detection]:
        return [self._one(frame) for frame in frames]

    def _one(self, frame: np.ndarray) -> Detection:
        points = find(frame)
        if points is None:
            return Detection(None, NO_FACE)
        # float32, as the network returns them: half the space in the cache.
        return Detection((points * (WIDTH / frame.shape[1])).astype(np.float32).astype(np.float64))
