"""Finders of all faces in a frame, for face tracks. The published pipeline has S3FD; its weights are in no package."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from baselines.facemesh import blazeface
from baselines.facemesh.litert import release
from bench.sync.tracks import Box


class FaceFinder(Protocol):
    """Finds all faces of a frame, uint8 RGB ``(H, W, 3)``: boxes x1, y1, x2, y2 in pixels.

    signature: one line that names everything that moves the boxes.
    """

    @property
    def signature(self) -> str: ...

    def __call__(self, frame: np.ndarray) -> list[Box]: ...


class BlazeFaces:
    """All faces by BlazeFace, the largest first; square boxes from the brows to the chin, where S3FD's are taller."""

    @property
    def signature(self) -> str:
        return f"blazeface;v:1;{blazeface.settings()};{release()}"

    def __call__(self, frame: np.ndarray) -> list[Box]:
        return [box[:4] for box in blazeface.faces(frame[None])[0]]
