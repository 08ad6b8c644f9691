"""Frames as floats in [0, 1] and as the gray levels of an 8-bit file: the one place that rounds."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def to_levels(images: Tensor, truncate: bool = False) -> Tensor:
    """Round floats in [0, 1], of any shape, to uint8, half to even; values beyond are clamped.

    truncate: cut ``255 x`` off instead, as the evaluation scripts of FOMM and its successors do.
    """
    levels = images.clamp(0, 1).mul_(255)
    return (levels.floor_() if truncate else levels.round_()).to(torch.uint8)


def from_levels(levels: Tensor) -> Tensor:
    """Return uint8 of any shape as float32 in [0, 1] on its device, in the same order of memory."""
    if levels.device.type != "cpu":
        return levels.float().div_(255)
    return torch.from_numpy(array_from_levels(levels.numpy()))


def array_from_levels(levels: np.ndarray) -> np.ndarray:
    """`from_levels` for arrays, read-only ones too.

    By NumPy's one thread: where other processes keep the cores busy, torch's threads wait for each other.
    """
    return np.divide(levels, np.float32(255), dtype=np.float32)
