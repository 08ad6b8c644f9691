"""Detectors of all faces in a frame, for face tracks. The published pipeline uses S3FD, which no package has."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from baselines.facemesh import blazeface
from baselines.facemesh.litert import release
from bench.sync.tracks import Box


class FaceFinder(Protocol):
    """Returns boxes x1, y1, x2, y2 in pixels of all faces in a frame, uint8 RGB ``(H, W, 3)``.

    signature: one line with all that determines the boxes.
    """

    @property
    def signature(self) -> str: ...

    def __call__(self, frame: np.ndarray) -> list[Box]: ...


class BlazeFaces:
    """All faces by BlazeFace, largest first; square boxes from brows to chin, while S3FD's are taller."""

    @property
    def signature(self) -> str:
        return f"blazeface;v:1;{blazeface.settings()};{release()}"

    def __call__(self, frame: np.ndarray) -> list[Box]:
        return [box[:4] for box in blazeface.faces(frame[None])[0]]
