"""The 68 landmarks of `dlib68` and 2D-FAN, approximated by 68 of the 468 points of the face mesh."""

from __future__ import annotations

import numpy as np

from bench.detectors.base import DerivedDetector, Detection

# Points of the mesh on the same parts of the face (oval, brows, nose, eyes, lips): the nearest to dlib's points on the
# sample set, symmetric. dlib's jaw follows the visible outline of the face, while the mesh's oval is fixed to the head;
# on a turned head they differ most there.
POINTS = (
    *(127, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 356),  # jaw
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),  # brows
    *(168, 197, 5, 4, 75, 97, 2, 326, 305),  # nose
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),  # eyes
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),  # outer lips
    *(78, 82, 13, 312, 308, 317, 14, 87),  # inner lips
)


class Mesh68(DerivedDetector):
    """x and y in pixels of the frame resized to a width of 256; base: `mesh.Mesh`."""

    kind, name, proxy, shape = "landmarks-mesh", "mesh68", True, (len(POINTS), 2)

    @property
    def signature(self) -> str:
        return f"{self.name};v:1;points:{len(POINTS)};on:({self.base.signature})"

    def derive(self, values: np.ndarray, frame: np.ndarray) -> Detection:
        return Detection(values[list(POINTS), :2])
