"""Opening of eyes and lips, from the points of Google's face mesh.

The published program measures it with 203 landmarks of its own network (``landmark.onnx``), which is not available
here. The same distances are measured on the mesh: between the lids over the eye's corners, between the inner lips over
the mouth's corners. So the ratios are close to the program's, but not equal.
"""

from __future__ import annotations

import hashlib

import numpy as np

from baselines.facemesh import litert, mesh
from baselines.liveportrait.animation import Ratios
from baselines.liveportrait.crop import opened

# Points of the mesh: two across and two along. Left is the picture's left, as in the 203 landmarks.
LEFT_EYE, RIGHT_EYE, LIP = (159, 145, 33, 133), (386, 374, 362, 263), (13, 14, 61, 291)
REMEMBERED = 1 << 14  # frames


class Openings:
    """Ratios of faces, cached for equal frames. settings: what affects them, for the manifest."""

    def __init__(self) -> None:
        """Prepare the cache. Raises ModelError if LiteRT is missing."""
        self.settings = f"face mesh, not landmark.onnx ({mesh.settings()};{litert.release()})"
        self._kept = dict[bytes, Ratios | None]()

    def __call__(self, frame: np.ndarray) -> Ratios | None:
        """Return the ratios of uint8 RGB ``(H, W, 3)``; None without a face."""
        key = hashlib.blake2b(np.ascontiguousarray(frame).tobytes(), digest_size=16).digest()
        if key not in self._kept:
            if len(self._kept) >= REMEMBERED:
                self._kept.clear()
            points = mesh.find(frame)
            self._kept[key] = None if points is None else ratios(points[:, :2])
        return self._kept[key]


def ratios(points: np.ndarray) -> Ratios:
    """Return the ratios of a mesh ``(468, 2)`` in pixels."""
    return Ratios((opened(points, LEFT_EYE), opened(points, RIGHT_EYE)), opened(points, LIP))
