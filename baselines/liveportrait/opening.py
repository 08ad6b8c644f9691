"""How far eyes and lips are open, by the points of Google's face mesh that this program has.

The published program measures by 203 landmarks of a network of its own (``landmark.onnx``), which is not here. The same
distances are taken of the mesh: lids over the corners of an eye, inner lips over the corners of the mouth. So ratios
are near its own, and not the same.
"""

from __future__ import annotations

import hashlib

import numpy as np

from baselines.facemesh import litert, mesh
from baselines.liveportrait.animation import Ratios
from baselines.liveportrait.crop import opened

# Of the mesh: two points across and two along. Left is the picture's, as in the 203 landmarks.
LEFT_EYE, RIGHT_EYE, LIP = (159, 145, 33, 133), (386, 374, 362, 263), (13, 14, 61, 291)
REMEMBERED = 1 << 14  # frames


class Openings:
    """Ratios of faces; equal frames are looked at once. settings: what moves them, for the manifest."""

    def __init__(self) -> None:
        """Raises ModelError where LiteRT is missing."""
        self.settings = f"face mesh, not landmark.onnx ({mesh.settings()};{litert.release()})"
        self._kept = dict[bytes, Ratios | None]()

    def __call__(self, frame: np.ndarray) -> Ratios | None:
        """Of uint8 RGB ``(H, W, 3)``; None without a face."""
        key = hashlib.blake2b(np.ascontiguousarray(frame).tobytes(), digest_size=16).digest()
        if key not in self._kept:
            if len(self._kept) >= REMEMBERED:
                self._kept.clear()
            points = mesh.find(frame)
            self._kept[key] = None if points is None else ratios(points[:, :2])
        return self._kept[key]


def ratios(points: np.ndarray) -> Ratios:
    """Of a mesh ``(468, 2)`` in pixels."""
    return Ratios((opened(points, LEFT_EYE), opened(points, RIGHT_EYE)), opened(points, LIP))
