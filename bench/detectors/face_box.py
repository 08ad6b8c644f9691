"""The face box for crops: the embedded detector on a downscaled frame."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np

from bench.detectors.base import Detector
from bench.detectors.cache import cached
from bench.detectors.dlib68 import WIDTH, Dlib68
from protocols.images import resize

LONGEST = 800  # pixels of the longer side: finds faces from about 45 pixels, in about 0.1 s


class FaceBox:
    """A `protocols.crop.FaceFinder`: the box around dlib's 68 landmarks of the largest face.

    cache: folder for cached detections, or None.
    """

    def __init__(self, cache: Path | None = None) -> None:
        self._cache = cache

    @property
    def signature(self) -> str:
        return f"{self._detector.signature};longest-side:{LONGEST}"

    @cached_property
    def _detector(self) -> Detector:
        detector = Dlib68()
        return cached({"landmarks": detector}, self._cache)["landmarks"] if self._cache else detector

    def __call__(self, frame: np.ndarray) -> tuple[float, float, float, float] | None:
        height, width = frame.shape[:2]
        scale = min(LONGEST / max(height, width), 1)
        small = resize(frame, max(round(height * scale), 1), max(round(width * scale), 1))
        points = self._detector.detect(small[None])[0].values
        if points is None:
            return None
        points = points * (width / WIDTH)
        return (*points.min(0).tolist(), *points.max(0).tolist())
