"""Mean absolute difference."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.metrics.base import each_pair


def l1(prediction: Tensor, reference: Tensor) -> Tensor:
    """Mean over pixels and channels of |prediction - reference| for images in [0, 1]."""

    def one(x: Tensor, y: Tensor) -> Tensor:
        return (x - y).abs_().mean(dtype=torch.float64)

    return each_pair(one, prediction, reference)
