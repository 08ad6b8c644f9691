"""Face crops for SyncNet, as in syncnet_python's run_pipeline.py (commit 6efbb1c).

From boxes of a track (`bench.sync.tracks`): half size and center are smoothed by a median of 13, padded with zeros at
both ends, so that the first and last six positions of a track are biased towards its smallest values. The crop is 2.8
half sizes of the frame around the center, with the face in the upper part, padded with gray.
"""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np

SIDE = 224
MEDIAN = 13
LOOK_AHEAD = MEDIAN // 2
SCALE = 0.4  # margin at the sides as a share of the half size; twice that below
GRAY = 110


def geometry(boxes: np.ndarray) -> np.ndarray:
    """Return half size, center x and center y ``(n, 3)`` of boxes ``(n, 4)``."""
    widths, heights = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    return np.stack(
        [np.maximum(widths, heights) / 2, (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2], axis=1
    )


class Smoothing:
    """Running median of `geometry`; a position is known after the next six."""

    def __init__(self) -> None:
        self._window: deque[np.ndarray] = deque([np.zeros(3)] * LOOK_AHEAD, MEDIAN)

    def add(self, values: np.ndarray) -> list[np.ndarray]:
        """Add the next position ``(3,)``; return the smoothed values of the position six before, if there is one."""
        self._window.append(values)
        return [np.median(np.stack(self._window), axis=0)] if len(self._window) == MEDIAN else []

    def finish(self, positions: int) -> list[np.ndarray]:
        """Return the smoothed values of the last six of `positions`, or of all if there are fewer."""
        wanted = min(positions, LOOK_AHEAD)
        rest = [value for _ in range(LOOK_AHEAD) for value in self.add(np.zeros(3))]
        return rest[-wanted:] if wanted else []


def smooth(values: np.ndarray) -> np.ndarray:
    """Return the median of 13 of every column of ``(n, 3)``, for all positions at once."""
    smoothing = Smoothing()
    found = [done for row in values for done in smoothing.add(row)]
    return np.stack(found + smoothing.finish(len(values)))


def padding(half: float) -> int:
    """Return the width of the gray padding around the frame, for a half size in pixels."""
    return int(half * (1 + 2 * SCALE))


def rectangle(half: float, x: float, y: float) -> tuple[int, int, int, int]:
    """Return rows y0 to y1 and columns x0 to x1 of the crop in the padded frame; square to one pixel."""
    pad = padding(half)
    side = half * (1 + SCALE)
    rows = int(y + pad - half), int(y + pad + half * (1 + 2 * SCALE))
    return (*rows, int(x + pad - side), int(x + pad + side))


def face(frame: np.ndarray, half: float, x: float, y: float) -> np.ndarray:
    """Return the crop of a frame uint8 ``(H, W, 3)`` before resizing; smaller if it exceeds the padding."""
    pad, (height, width) = padding(half), frame.shape[:2]
    y0, y1, x0, x1 = rectangle(half, x, y)
    y0, x0 = max(y0, 0), max(x0, 0)
    y1, x1 = min(y1, height + 2 * pad), min(x1, width + 2 * pad)
    cut = np.full((max(y1 - y0, 1), max(x1 - x0, 1), 3), GRAY, np.uint8)
    top, bottom = max(y0 - pad, 0), min(y1 - pad, height)
    left, right = max(x0 - pad, 0), min(x1 - pad, width)
    if top < bottom and left < right:
        row, column = top + pad - y0, left + pad - x0
        cut[row : row + bottom - top, column : column + right - left] = frame[top:bottom, left:right]
    return cut


def crop(frame: np.ndarray, half: float, x: float, y: float) -> np.ndarray:
    """Return `face` resized for the network, ``(224, 224, 3)``; channels in the frame's order."""
    return resize(face(frame, half, x, y))


def resize(frame: np.ndarray) -> np.ndarray:
    """Resize a frame to 224 x 224, bilinear, without keeping the aspect ratio."""
    return cv2.resize(frame, (SIDE, SIDE))
