"""Convert frames between floats in [0, 1] and 8-bit levels: the only place that rounds."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def to_levels(images: Tensor, truncate: bool = False) -> Tensor:
    """Round floats in [0, 1], of any shape, to uint8, half to even; clamp other values.

    truncate: truncate ``255 x`` instead, as the evaluation scripts of FOMM and its successors do.
    """
    levels = images.clamp(0, 1).mul_(255)
    return (levels.floor_() if truncate else levels.round_()).to(torch.uint8)


def from_levels(levels: Tensor) -> Tensor:
    """Return uint8 of any shape as float32 in [0, 1], on the same device and in the same memory format."""
    if levels.device.type != "cpu":
        return levels.float().div_(255)
    return torch.from_numpy(array_from_levels(levels.numpy()))


def array_from_levels(levels: np.ndarray) -> np.ndarray:
    """Return a uint8 array, which may be read-only, as float32 in [0, 1].

    In NumPy, with one thread: while other processes keep the cores busy, torch's threads wait for each other.
    """
    return np.divide(levels, np.float32(255), dtype=np.float32)
