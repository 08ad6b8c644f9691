"""The driving frame from which relative motion shall start, by the landmarks."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.spatial import ConvexHull

from bench.detectors.base import Detector
from bench.runtime.errors import UserError


def nearest(photograph: np.ndarray, frames: Iterable[tuple[int, np.ndarray]], detector: Detector) -> int:
    """Number of the frame whose landmarks are nearest to the photograph's in shape, whatever their place and size.

    photograph: uint8 RGB ``(S, S, 3)``; frames: numbers with pictures of the same kind, asked for one by one. The
    distance is that of the demos of FOMM and TPSM: squared, of the points about their mean over the root of their
    hull's area. Frames without a face are passed over. Raises UserError where the photograph or every frame has none.
    """
    wanted = _shape(photograph, detector)
    if wanted is None:
        raise UserError("--anchor-frame best: no face is found in the photograph; give a number", code="no-face")
    best, least = None, np.inf
    for number, frame in frames:
        shape = _shape(frame, detector)
        if shape is not None and (distance := float(((shape - wanted) ** 2).sum())) < least:
            best, least = number, distance
    if best is None:
        raise UserError("--anchor-frame best: no face is found in the driving video; give a number", code="no-face")
    return best


def _shape(frame: np.ndarray, detector: Detector) -> np.ndarray | None:
    points = detector.detect(frame[None])[0].values
    if points is None:
        return None
    return (points - points.mean(0)) / np.sqrt(ConvexHull(points).volume)  # the volume of a plane hull is its area
