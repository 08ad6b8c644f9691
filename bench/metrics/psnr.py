"""Peak signal-to-noise ratio, computed correctly and as the papers' script computed it."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from baselines.levels import to_levels
from bench.metrics.base import absolute_difference, each_pair

# Two identical frames have no finite PSNR, and one infinite pair would make every mean infinite. They get 100 dB: one
# gray level of difference in one value of a 256 x 256 frame already gives 101 dB.
CAP = 100.0


def psnr(prediction: Tensor, reference: Tensor) -> Tensor:
    """Return 10 log10(1 / MSE) over all pixels and channels of images in [0, 1]; at most `CAP` dB."""
    return decibels(each_pair(_mean_square_arrays, _mean_square_tensors, prediction, reference), 1.0)


def psnr_uint8(prediction: Tensor, reference: Tensor) -> Tensor:
    """Return the PSNR of uint8 images, with differences and squares modulo 256, as in NumPy; at most `CAP` dB.

    It is 7 to 8 dB above the true PSNR of real reconstructions and explains the printed columns (29-34 dB next to an L1
    of 0.03-0.07). A difference of 16 gray levels has a square of 0 here.
    """
    return decibels(each_pair(_wrapped_arrays, _wrapped_tensors, prediction, reference), 255.0)


def decibels(mean_square: Tensor, peak: float) -> Tensor:
    """Return 10 log10(peak^2 / mean square), at most `CAP`."""
    return (10 * torch.log10(peak**2 / mean_square)).clamp(max=CAP)


def _mean_square_arrays(x: np.ndarray, y: np.ndarray) -> float:
    return cv2.norm(absolute_difference(x, y), cv2.NORM_L2SQR) / x.size  # accumulates in float64


def _mean_square_tensors(x: Tensor, y: Tensor) -> Tensor:
    return (x - y).square().mean(dtype=torch.float64)


def _wrapped_arrays(x: np.ndarray, y: np.ndarray) -> float:
    levels = [to_levels(torch.from_numpy(image)).numpy() for image in (x, y)]
    difference = levels[0] - levels[1]
    return cv2.norm(difference * difference, cv2.NORM_L1) / x.size  # a sum of integers


def _wrapped_tensors(x: Tensor, y: Tensor) -> Tensor:
    difference = to_levels(x) - to_levels(y)
    return (difference * difference).double().mean()
