"""The canonical face: its vertices and triangles, its pose in a frame, and meshes aligned with it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from baselines.facemesh.litert import FOLDER

FILE = FOLDER / "canonical_face.csv"  # x to the picture's right, y up, z towards the camera, in cm; weight
TRIANGLES_FILE = FOLDER / "canonical_triangles.csv"
MOUTH_POINTS = 69  # MemFace's number of mouth vertices, h_v
# Each from the picture's left corner along the lower lip to the right one, and back along the upper lip.
OUTER_LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
NOSE_BASE = 2
INNER_LIPS = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)


@dataclass(frozen=True)
class Pose:
    """A similarity from the canonical face's centimeters to a frame's pixels: ``scale * rotation @ point + place``.

    rotation: ``(3, 3)``. scale: pixels per centimeter. place: ``(3,)`` pixels, of the canonical face's weighted center.
    """

    rotation: np.ndarray
    scale: float
    place: np.ndarray

    def apply(self, points: np.ndarray) -> np.ndarray:
        """Map points ``(..., 3)`` of the canonical face to pixels of the frame."""
        return points @ self.rotation.T * self.scale + self.place

    def undo(self, points: np.ndarray) -> np.ndarray:
        """Map points ``(..., 3)`` of the frame to centimeters of the canonical face."""
        return (points - self.place) @ self.rotation / self.scale


def pose_of(mesh: np.ndarray) -> Pose:
    """Return the head pose of a mesh ``(468, 3)``: aligns 33 weighted points that speech does not move.

    The similarity with the least weighted squared error (Umeyama, IEEE TPAMI 13(4), 1991).
    """
    head, weights = canonical()
    place = weights @ mesh
    left, values, right = np.linalg.svd(((mesh - place) * weights[:, None]).T @ head)
    proper = np.array([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    spread = float(weights @ (head**2).sum(1))
    return Pose(left @ np.diag(proper) @ right, float(values @ proper) / spread, place)


def align(mesh: np.ndarray) -> tuple[np.ndarray, Pose]:
    """Return a mesh ``(468, 3)`` without its head pose, ``(468, 3)`` in cm of the canonical face, and that pose."""
    pose = pose_of(mesh)
    return pose.undo(mesh), pose


@cache
def canonical() -> tuple[np.ndarray, np.ndarray]:
    """Return the centered face ``(468, 3)``, y down, z away from the camera as in a mesh, and weights ``(468,)``."""
    numbers = np.loadtxt(FILE, delimiter=",", skiprows=1)
    head, weights = numbers[:, :3] * (1, -1, -1), numbers[:, 3] / numbers[:, 3].sum()
    return head - weights @ head, weights


@cache
def triangles() -> np.ndarray:
    """Return the face's triangles ``(898, 3)`` as indices of vertices."""
    return np.loadtxt(TRIANGLES_FILE, delimiter=",", skiprows=1, dtype=np.int64)


@cache
def mouth() -> np.ndarray:
    """Return the indices ``(69,)``, ascending, of the mouth's vertices: both edges of the lips, and the nearest around.

    Those are the vertices outside the outer edge and below the nose that are nearest to the edge's center, seen from
    the front. MemFace's own 69 vertices are others, of a model that is not public.
    """
    head, _ = canonical()
    front, edge = head[:, :2], head[list(OUTER_LIPS), :2].astype(np.float32)
    outside = [k for k in range(len(head)) if cv2.pointPolygonTest(edge, front[k], False) < 0]
    outside = [k for k in outside if k not in OUTER_LIPS + INNER_LIPS and front[k, 1] > front[NOSE_BASE, 1]]
    distances = np.linalg.norm(front[outside] - edge.mean(0), axis=1).round(4)
    around = np.array(outside)[np.argsort(distances, kind="stable")[: MOUTH_POINTS - 40]]
    return np.sort(np.concatenate([OUTER_LIPS, INNER_LIPS, around]))
