"""Head pose by fitting a generic head to fourteen landmarks (perspective-n-point)."""

from __future__ import annotations

import cv2
import numpy as np

from bench.detectors.base import DerivedDetector, Detection
from bench.detectors.dlib68 import WIDTH

FOCAL = 1.2  # focal length over the frame's width: a portrait lens, since the camera is unknown

# Landmark: position in mm, x to the right of the picture, y down, z away from the camera, for a head that faces it.
# An anthropometric average head (ISR Coimbra's glAnthropometric3DModel), rounded to 0.1 mm and symmetric.
_HALF = {
    17: (-68.3, -67.6, -44.0),  # brow, outer end
    21: (-13.3, -71.2, -69.0),  # brow, inner end
    36: (-53.1, -54.9, -39.9),  # eye, outer corner
    39: (-17.9, -53.9, -44.1),  # eye, inner corner
    31: (-20.1, -14.1, -61.7),  # nose wing
    48: (-27.7, 20.8, -50.5),  # mouth corner
}
_MIRROR = {17: 26, 21: 22, 36: 45, 39: 42, 31: 35, 48: 54}
_MIDDLE = {57: (0.0, 31.2, -61.0), 8: (0.0, 74.2, -40.7)}  # lower lip, chin
HEAD = {**_HALF, **{_MIRROR[k]: (-x, y, z) for k, (x, y, z) in _HALF.items()}, **_MIDDLE}


class PnpHeadPose(DerivedDetector):
    """Pitch (positive: down), yaw (positive: to the picture's left) and roll (positive: clockwise) in degrees."""

    kind, name, proxy, shape = "headpose", "pnp14", True, (3,)

    @property
    def signature(self) -> str:
        return f"{self.name};v:1;focal:{FOCAL}w;points:{len(HEAD)};on:({self.base.signature})"

    def derive(self, values: np.ndarray, frame: np.ndarray) -> Detection:
        middle = (WIDTH / 2, WIDTH / 2 * frame.shape[0] / frame.shape[1])
        angles = fit(values, middle)
        if angles is None:
            return Detection(None, "head pose could not be fitted")
        return Detection(angles)


def fit(landmarks: np.ndarray, middle: tuple[float, float]) -> np.ndarray | None:
    """Return pitch, yaw and roll in degrees from landmarks ``(68, 2)`` of a frame 256 wide; None without upright fit.

    middle: the picture's center. R = Rz(roll) Ry(yaw) Rx(pitch); the least-squares fit starts from a frontal head.
    """
    head = np.array(list(HEAD.values()))
    points = np.ascontiguousarray(landmarks[list(HEAD)], dtype=np.float64)
    camera = np.array([[FOCAL * WIDTH, 0, middle[0]], [0, FOCAL * WIDTH, middle[1]], [0, 0, 1]])
    depth = FOCAL * WIDTH * np.ptp(head[:, 1]) / max(np.ptp(points[:, 1]), 1.0)
    start = (*((points.mean(0) - middle) * depth / (FOCAL * WIDTH)), depth)
    found, turn, shift = cv2.solvePnP(
        head, points, camera, None, np.zeros((3, 1)), np.array(start).reshape(3, 1), True, cv2.SOLVEPNP_ITERATIVE
    )
    if not found or not np.isfinite(turn).all() or shift[2, 0] <= 0:
        return None
    rotation = cv2.Rodrigues(turn)[0]
    if rotation[2, 2] <= 0:  # the back of the head towards the camera
        return None
    return angles(rotation)


def angles(rotation: np.ndarray) -> np.ndarray:
    """Return pitch, yaw and roll in degrees of a rotation ``(3, 3)``, R = Rz(roll) Ry(yaw) Rx(pitch)."""
    pitch = np.arctan2(rotation[2, 1], rotation[2, 2])
    yaw = np.arcsin(np.clip(-rotation[2, 0], -1, 1))
    roll = np.arctan2(rotation[1, 0], rotation[0, 0])
    return np.degrees([pitch, yaw, roll])
