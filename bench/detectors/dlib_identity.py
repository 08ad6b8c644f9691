"""128-d face embeddings by dlib's residual network.

L2 distances: 0.2 to 0.3 within a clip, 0.7 to 0.9 between people; it was trained for a threshold of 0.6.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import dlib
import numpy as np

from bench.detectors.base import DerivedDetector, Detection, Detector
from bench.detectors.dlib68 import WIDTH, model_file
from bench.detectors.weights import short_hash

FILE = "dlib_face_recognition_resnet_model_v1.dat"


class DlibIdentity(DerivedDetector):
    """Embedding of the face at the landmarks, which a similarity transform aligns to 150 x 150 pixels."""

    kind, name, proxy, shape = "identity", "dlib-identity", True, (128,)

    def __init__(self, landmarks: Detector, file: Path | None = None) -> None:
        super().__init__(landmarks)
        self.file = file or model_file(FILE)

    @cached_property
    def _network(self) -> dlib.face_recognition_model_v1:
        return dlib.face_recognition_model_v1(str(self.file))

    @property
    def signature(self) -> str:
        weights = short_hash(self.file)
        return f"{self.name};v:1;weights:{weights};chip:150;dlib:{dlib.__version__};on:({self.base.signature})"

    def derive(self, values: np.ndarray, frame: np.ndarray) -> Detection:
        points = np.rint(values * (frame.shape[1] / WIDTH)).astype(int)
        (left, top), (right, bottom) = points.min(0).tolist(), points.max(0).tolist()
        face = dlib.full_object_detection(
            dlib.rectangle(left, top, right, bottom), dlib.points([dlib.point(x, y) for x, y in points.tolist()])
        )
        return Detection(np.array(self._network.compute_face_descriptor(np.ascontiguousarray(frame), face)))
