"""The largest face of a frame by BlazeFace (`baselines.facemesh.blazeface`)."""

from __future__ import annotations

import numpy as np

from baselines.facemesh.blazeface import faces, settings
from baselines.facemesh.boxes import FACE_RULE
from baselines.facemesh.litert import release
from bench.detectors.base import NO_FACE, Detection, Detector


class BlazeFace(Detector):
    """Box of the largest face: x0, y0, x1, y1 in pixels of the original frame, and its score in [0, 1].

    It has false positives, which `mesh.Mesh` checks.
    """

    kind, name, proxy, shape = "face", "blazeface", True, (5,)

    @property
    def signature(self) -> str:
        return f"{self.name};v:1;{settings()};face:{FACE_RULE};{release()}"

    def detect(self, frames: np.ndarray) -> list[Detection]:
        return [Detection(found[0]) if len(found) else Detection(None, NO_FACE) for found in faces(frames)]
