"""128-d face embeddings by dlib's residual network, computed in torch (`bench.detectors.dlib_resnet`).

L2 distances: 0.2 to 0.3 within a clip, 0.7 to 0.9 between people; trained for a threshold of 0.6.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import dlib
import numpy as np
import torch

from bench.detectors.base import DerivedDetector, Detection, Detector
from bench.detectors.blocks import Blocks
from bench.detectors.dlib68 import WIDTH, model_file
from bench.detectors.dlib_resnet import SIDE, FaceNetwork
from protocols.files import short_hash

FILE = "dlib_face_recognition_resnet_model_v1.dat"


class DlibIdentity(DerivedDetector):
    """Embedding of the face, aligned to 150 x 150 pixels by dlib's similarity transform of the landmarks.

    Version 1 was dlib's own network, which is many times slower; values agree to 1e-6.
    """

    kind, name, proxy, shape = "identity", "dlib-identity", True, (128,)

    def __init__(self, landmarks: Detector, file: Path | None = None, device: str = "cpu") -> None:
        super().__init__(landmarks)
        self.file, self.device = file or model_file(FILE), device
        self._blocks = Blocks(self.name)

    @cached_property
    def _network(self) -> FaceNetwork:
        # torch's type stubs lack `memory_format`, which `Module.to` accepts.
        return FaceNetwork(self.file).to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def signature(self) -> str:
        weights = short_hash(self.file)
        settings = f"network:torch;chip:{SIDE};dlib:{dlib.__version__}"
        return f"{self.name};v:2;weights:{weights};{settings};on:({self.base.signature})"

    def derive(self, values: np.ndarray, frame: np.ndarray) -> Detection:
        return self.derive_all(values[None], frame[None])[0]

    def derive_all(self, values: np.ndarray, frames: np.ndarray) -> list[Detection]:
        faces = np.stack([aligned(frame, points) for frame, points in zip(frames, values)])
        images = torch.from_numpy(faces).to(self.device).permute(0, 3, 1, 2).float()
        return [Detection(code) for code in self._blocks(self._network, images).numpy()]


def aligned(frame: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Return the face, uint8 RGB ``(150, 150, 3)``, as input of dlib's network.

    landmarks: ``(68, 2)`` in pixels of the frame resized to a width of 256. frame: uint8 RGB ``(H, W, 3)``.
    """
    return dlib.get_face_chip(np.ascontiguousarray(frame), face_of(frame, landmarks), size=SIDE)


def face_of(frame: np.ndarray, landmarks: np.ndarray) -> dlib.full_object_detection:
    """Return the landmarks for dlib: integer pixels of the frame, in their bounding box."""
    points = np.rint(landmarks * (frame.shape[1] / WIDTH)).astype(int)
    (left, top), (right, bottom) = points.min(0).tolist(), points.max(0).tolist()
    box = dlib.rectangle(left, top, right, bottom)
    return dlib.full_object_detection(box, dlib.points([dlib.point(x, y) for x, y in points.tolist()]))
