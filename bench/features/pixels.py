"""Features of pixels: sharpness, difference to the previous frame, and warping error along the optical flow."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from bench.features.base import Feature, Recorder
from protocols.sound import Sound

# Occlusion test of Sundaram, Brox and Keutzer (ECCV 2010), as used by Lai et al. (ECCV 2018) for the warping error.
_SHARE, _OFFSET = 0.01, 0.5


class Sharpness(Feature):
    """Variance of the Laplacian of the gray frame in [0, 255] (Pech-Pacheco et al., ICPR 2000); larger is sharper."""

    name, shape = "sharpness", (1,)

    @property
    def signature(self) -> str:
        return f"{self.name};v:1;gray:bt601;laplacian:3x3;opencv:{cv2.__version__}"

    def start(self, sound: Sound | None) -> Recorder:
        return Rows(lambda before, frame: float(cv2.Laplacian(gray_of(frame), cv2.CV_64F).var()))


class FrameDifference(Feature):
    """Mean absolute difference to the previous frame, in [0, 1]; NaN for a clip's first frame."""

    name, shape = "frame-difference", (1,)

    @property
    def signature(self) -> str:
        return f"{self.name};v:1;range:0..1"

    def start(self, sound: Sound | None) -> Recorder:
        return Rows(lambda before, frame: math.nan if before is None else cv2.absdiff(frame, before).mean() / 255)


class WarpingError(Feature):
    """Mean squared difference in [0, 1] to the previous frame warped by the optical flow, without occluded pixels.

    Lai et al., Learning Blind Video Temporal Consistency (ECCV 2018), Eq. 10, with OpenCV's DIS flow (Kroeger et al.,
    ECCV 2016) instead of FlowNet2; NaN for a clip's first frame.
    """

    name, shape = "warping-error", (1,)

    @property
    def signature(self) -> str:
        return f"{self.name};v:1;flow:dis-medium;occlusion:{_SHARE},{_OFFSET};opencv:{cv2.__version__}"

    def start(self, sound: Sound | None) -> Recorder:
        flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        return Rows(lambda before, frame: math.nan if before is None else _warping_error(flow, before, frame))


class Rows:
    """One number per frame, computed from the frame and the previous one (None for a clip's first)."""

    def __init__(self, measure: Callable[[np.ndarray | None, np.ndarray], float]) -> None:
        self._measure, self._rows = measure, list[float]()
        self._before: np.ndarray | None = None

    def add(self, frames: np.ndarray, times: np.ndarray) -> None:
        for frame in frames:
            self._rows.append(self._measure(self._before, frame))
            self._before = frame

    def finish(self) -> np.ndarray:
        return np.array(self._rows).reshape(-1, 1)


def _warping_error(flow: cv2.DISOpticalFlow, before: np.ndarray, frame: np.ndarray) -> float:
    old, new = gray_of(before), gray_of(frame)
    nothing: Any = None  # no initial flow
    back, forth = flow.calc(new, old, nothing), flow.calc(old, new, nothing)
    rows, columns = np.indices(new.shape, dtype=np.float32)
    x, y = columns + back[..., 0], rows + back[..., 1]
    moved = cv2.remap(before, x, y, cv2.INTER_LINEAR)
    returned = cv2.remap(forth, x, y, cv2.INTER_LINEAR)
    apart = ((back + returned) ** 2).sum(2)
    seen = apart <= _SHARE * ((back**2).sum(2) + (returned**2).sum(2)) + _OFFSET
    seen &= (x >= 0) & (x <= new.shape[1] - 1) & (y >= 0) & (y <= new.shape[0] - 1)
    if not seen.any():
        return float("nan")
    return float((((frame.astype(np.float64) - moved) / 255) ** 2).mean(2)[seen].mean())


def gray_of(frame: np.ndarray) -> np.ndarray:
    """Return brightness ``(H, W)``, uint8, of an RGB frame ``(H, W, 3)``: 0.299 R + 0.587 G + 0.114 B (BT.601)."""
    return cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY)
