"""Mean absolute difference."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from bench.metrics.base import absolute_difference, each_pair


def l1(prediction: Tensor, reference: Tensor) -> Tensor:
    """Return the mean of |prediction - reference| over pixels and channels, for images in [0, 1]."""
    return each_pair(_arrays, _tensors, prediction, reference)


def _arrays(x: np.ndarray, y: np.ndarray) -> float:
    return cv2.norm(absolute_difference(x, y), cv2.NORM_L1) / x.size  # accumulates in float64


def _tensors(x: Tensor, y: Tensor) -> Tensor:
    return (x - y).abs().mean(dtype=torch.float64)
