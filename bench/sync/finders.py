"""Finders of all faces in a frame, for face tracks. The published pipeline has S3FD; its weights are in no package."""

from __future__ import annotations

from functools import cached_property
from typing import Protocol

import dlib
import numpy as np

from bench.sync.tracks import Box
from protocols.images import resize


class FaceFinder(Protocol):
    """Finds all faces of a frame, uint8 RGB ``(H, W, 3)``: boxes x1, y1, x2, y2 in pixels.

    signature: one line that names everything that moves the boxes.
    """

    @property
    def signature(self) -> str: ...

    def __call__(self, frame: np.ndarray) -> list[Box]: ...


class HogFaces:
    """dlib's frontal faces (HOG), the largest first.

    They end at brows and chin and are square, where S3FD's are taller, so the crops are tighter. Faces of less than 80
    pixels in a frame whose longer side was brought down to `LONGEST` are not found.
    """

    LONGEST = 800

    @property
    def signature(self) -> str:
        return f"dlib-hog;longest-side:{self.LONGEST};dlib:{dlib.__version__}"

    @cached_property
    def _finder(self) -> dlib.fhog_object_detector:
        return dlib.get_frontal_face_detector()

    def __call__(self, frame: np.ndarray) -> list[Box]:
        height, width = frame.shape[:2]
        scale = min(self.LONGEST / max(height, width), 1)
        small = resize(frame, max(round(height * scale), 1), max(round(width * scale), 1)) if scale < 1 else frame
        found = [
            (box.left() / scale, box.top() / scale, (box.right() + 1) / scale, (box.bottom() + 1) / scale)
            for box in self._finder(np.ascontiguousarray(small), 0)
        ]
        return sorted(found, key=lambda box: (box[0] - box[2], box[0], box[1]))
