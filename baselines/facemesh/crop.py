"""The upright square crop that is a face network's input, and mapping points back to the frame.

Points are in pixels of the frame, (0, 0) is the center of the first one. So a mirrored frame has mirrored crops.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Crop:
    """A square of the frame. center: ``(2,)``. side: pixels. angle: radians, positive clockwise."""

    center: np.ndarray
    side: float
    angle: float

    @property
    def rotation(self) -> np.ndarray:
        """Return ``(2, 2)``, from directions in the crop to directions in the frame."""
        return rotation(self.angle)

    def cut(self, frame: np.ndarray, size: int) -> np.ndarray:
        """Return its pixels, uint8 RGB ``(size, size, 3)``, bilinear; border pixels are repeated outside the frame.

        frame: uint8 RGB ``(H, W, 3)``; with more than twice the needed pixels it is first reduced by area averaging.
        """
        scale = np.ones(2)
        if self.side > 2 * size:
            (height, width), factor = frame.shape[:2], 1.5 * size / self.side
            small = max(round(width * factor), 1), max(round(height * factor), 1)
            scale = np.array(small) / (width, height)
            frame = cv2.resize(frame, small, interpolation=cv2.INTER_AREA)
        linear = self.rotation * (self.side / size)
        shift = self.center - linear @ np.full(2, (size - 1) / 2)
        matrix = np.column_stack((linear * scale[:, None], shift * scale + (scale - 1) / 2))
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(frame, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)

    def back(self, points: np.ndarray, size: int) -> np.ndarray:
        """Map points ``(N, 2)`` in the crop of `size` pixels to points in the frame."""
        return (points - (size - 1) / 2) @ self.rotation.T * (self.side / size) + self.center


def rotation(angle: float) -> np.ndarray:
    """Return the rotation ``(2, 2)`` by `angle` radians, clockwise, since y points down."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s], [s, c]])


def slope(first: np.ndarray, second: np.ndarray) -> float:
    """Return the angle of the line from the first point ``(2,)`` to the second, in radians."""
    across, down = second - first
    return float(np.arctan2(down, across))
