"""Shot detection like PySceneDetect 0.5.1's content detector, which syncnet_python uses."""

from __future__ import annotations

import cv2
import numpy as np

THRESHOLD = 30.0
SHORTEST = 15  # minimum number of frames between cuts
# Frames at least this wide are subsampled.
STEPS = ((3200, 12), (2100, 8), (1700, 6), (1200, 5), (900, 4), (600, 3), (400, 2))


class Shots:
    """Detects cuts frame by frame: hue, saturation and value change by 30 of 255 on average."""

    def __init__(self) -> None:
        self._last: np.ndarray | None = None
        self._frame, self._cut = -1, -SHORTEST

    def cuts(self, frame: np.ndarray) -> bool:
        """Return whether a shot starts with the next frame, uint8 RGB ``(H, W, 3)``; False for the first."""
        step = next((step for width, step in STEPS if frame.shape[1] >= width), 1)
        hsv = cv2.cvtColor(np.ascontiguousarray(frame[::step, ::step]), cv2.COLOR_RGB2HSV)
        last, self._last = self._last, hsv
        self._frame += 1
        if last is None or cv2.absdiff(hsv, last).mean() < THRESHOLD or self._frame - self._cut < SHORTEST:
            return False
        self._cut = self._frame
        return True
