"""Wav2Lip's face crop, and pasting the new face into the frame.

Frames are uint8 BGR ``(H, W, 3)``; boxes are ``(y1, y2, x1, x2)`` in whole pixels, the ends excluded.
"""

from __future__ import annotations

import cv2
import numpy as np

from baselines.wav2lip.network import SIDE

PADS = (0, 10, 0, 0)  # pixels that are added to a detection: top, bottom, left, right
SMOOTHED = 5  # frames


def boxes(detections: np.ndarray, size: tuple[int, int], pads: tuple[int, int, int, int] = PADS) -> np.ndarray:
    """Return boxes ``(n, 4)`` for detections ``(n, 4)`` ``x1, y1, x2, y2``, in frames of `size` (height, width)."""
    x1, y1, x2, y2 = np.maximum(detections, 0).astype(np.int64).T
    top, bottom, left, right = pads
    height, width = size
    starts = np.maximum(0, y1 - top), np.maximum(0, x1 - left)
    return np.stack([starts[0], np.minimum(height, y2 + bottom), starts[1], np.minimum(width, x2 + right)], 1)


def smooth(boxes: np.ndarray) -> np.ndarray:
    """Return mean boxes ``(n, 4)``, truncated, of each frame and the four after it; does not change the input.

    As published: the last frames take the mean of the last five boxes, of which earlier ones are already smoothed. Of a
    clip with fewer than five frames only the last ``5 - n`` count (all, if it has one or two).
    """
    smoothed = boxes.copy()
    for frame in range(len(boxes)):
        # A negative start counts from the end: a mistake of the published program, reproduced here.
        start = frame if frame + SMOOTHED <= len(boxes) else len(boxes) - SMOOTHED
        smoothed[frame] = smoothed[start : frame + SMOOTHED].mean(0)
    return smoothed


def crop(frame: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Return the face ``(96, 96, 3)`` inside a box. Raises ValueError for a box without pixels."""
    y1, y2, x1, x2 = box
    if not (0 <= y1 < y2 <= frame.shape[0] and 0 <= x1 < x2 <= frame.shape[1]):
        raise ValueError(f"box {tuple(map(int, box))} is not inside a frame of {frame.shape[0]}x{frame.shape[1]}")
    return cv2.resize(frame[y1:y2, x1:x2], (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)


def network_input(faces: np.ndarray) -> np.ndarray:
    """Return the generator's input ``(N, 6, 96, 96)`` float32 in [0, 1] for faces ``(N, 96, 96, 3)`` uint8.

    First the face with its lower half black, then the face itself as the reference.
    """
    reference = faces.transpose(0, 3, 1, 2).astype(np.float32) / 255
    masked = reference.copy()
    masked[:, :, SIDE // 2 :] = 0
    return np.concatenate([masked, reference], 1)


def paste(frame: np.ndarray, prediction: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Return a copy of the frame with a prediction ``(3, 96, 96)`` in [0, 1] in the whole box, without blending.

    Values are truncated to 8 bits, as published, so a frame gets darker by half a level on average.
    """
    y1, y2, x1, x2 = box
    levels = (prediction.transpose(1, 2, 0) * 255).astype(np.uint8)
    pasted = frame.copy()
    pasted[y1:y2, x1:x2] = cv2.resize(levels, (int(x2 - x1), int(y2 - y1)), interpolation=cv2.INTER_LINEAR)
    return pasted
