"""Drawing a 3D face as an image, which shows MemFace's renderer the shape of the mouth (Sec. 3, preliminaries).

The paper projects its face model through a perspective camera and does not describe the shading. Here every triangle
has one flat color: two channels encode its place on the face, one its orientation. So the network sees the part of the
face that a pixel belongs to, and can distinguish the inner mouth from the lips.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import cv2
import numpy as np

from baselines.facemesh.canonical import INNER_LIPS, canonical, triangles

_FINER = 2  # supersampling factor: lips move by fractions of a pixel
_BITS = 4  # fractional bits of OpenCV's coordinates


class Drawing(ABC):
    """Draw faces. Subclass it for another face model or another appearance; `signature` describes it."""

    signature: str
    channels: int

    @abstractmethod
    def draw(self, faces: np.ndarray, side: int) -> np.ndarray:
        """Draw faces ``(N, V, 3)``: x, y in pixels of a square image of `side`, z in the same unit, away from the eye.

        Return ``(N, side, side, channels)`` uint8, black where there is no face or a vertex is NaN. A face's image does
        not depend on the other faces.
        """


class PaintedMesh(Drawing):
    """Triangles painted from the farthest to the nearest (painter's order)."""

    channels = 3

    def __init__(self, rest: np.ndarray, surface: np.ndarray, inner_mouth: np.ndarray):
        """Prepare colors. rest: ``(V, 3)`` of the face at rest; surface: ``(T, 3)`` vertices of its triangles.

        inner_mouth: vertices of the lips' inner edge; triangles with only these are the open mouth.
        """
        self.surface = surface.astype(np.intp)
        middle = rest[self.surface].mean(1)
        low, high = rest.min(0), rest.max(0)
        self._place = 255 * (middle - low)[:, :2] / (high - low)[:2]
        self._mouth = np.isin(self.surface, inner_mouth).all(1)
        self.signature = f"painted-mesh;v:1;triangles:{len(surface)};finer:{_FINER}"

    def draw(self, faces: np.ndarray, side: int) -> np.ndarray:
        out = np.zeros((len(faces), side, side, self.channels), np.uint8)
        for number, face in enumerate(faces):
            if np.isfinite(face).all():
                out[number] = self._one(face, side)
        return out

    def _one(self, face: np.ndarray, side: int) -> np.ndarray:
        corners = face[self.surface]
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        length = np.linalg.norm(normal, axis=1)
        turned = np.abs(normal[:, 2]) / np.maximum(length, 1e-12)  # 1: facing the camera
        colors = np.column_stack([self._place, 55 + 200 * turned])
        colors[self._mouth, 2] = 0
        # Pixel centers are at whole numbers, in the supersampled image, too.
        flat = np.clip((corners[:, :, :2] + 0.5) * _FINER - 0.5, -1e4, 1e4)
        points = np.round(flat * (1 << _BITS)).astype(np.int32)
        canvas = np.zeros((side * _FINER, side * _FINER, 3), np.uint8)
        order = np.argsort(-corners[:, :, 2].mean(1), kind="stable")
        for at, color in zip(points[order], colors[order].round().tolist()):
            cv2.fillConvexPoly(canvas, at, color, cv2.LINE_8, _BITS)
        return cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA)


def of_face_mesh() -> PaintedMesh:
    """Return a drawing for meshes of `baselines.facemesh`."""
    return PaintedMesh(canonical()[0], triangles(), np.array(INNER_LIPS))
