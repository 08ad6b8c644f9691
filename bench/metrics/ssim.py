"""Structural similarity (Wang, Bovik, Sheikh and Simoncelli, IEEE TIP 2004, equation 13) in three definitions.

All take the mean over the three colour channels of the mean over those windows that lie inside the image.

Both windows work on s = x + y and d = x - y, for which four local means do instead of five:
2 mx my = (ms^2 - md^2) / 2, mx^2 + my^2 = (ms^2 + md^2) / 2, and the same for the variances.
The sum is centred first, which keeps the float32 differences of moments within 1e-6 of a float64 computation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bench.metrics.base import check_images

K1, K2 = 0.01, 0.03
BOX = 7
GAUSS, SIGMA = 11, 1.5
# Values of a plane that are worked on at once: intermediate results of 96 kB stay in the second-level cache, and the
# C library hands their memory out again instead of mapping fresh pages for each.
STRIP = 24_576
Plane = Any  # an array or a tensor
Means = Callable[[Sequence[Plane], str], list[Plane]]


def ssim(prediction: Tensor, reference: Tensor) -> Tensor:
    """As its authors define it: Gaussian window 11 x 11 of sigma 1.5, value range 1, population (co)variances."""
    return _ssim(prediction, reference, "gauss", (1.0,))[0]


def ssim_skimage(prediction: Tensor, reference: Tensor) -> Tensor:
    """scikit-image's default window (uniform 7 x 7, sample covariance), told the right range, 1."""
    return ssim_uniform(prediction, reference, (1.0,))[0]


def ssim_published(prediction: Tensor, reference: Tensor) -> Tensor:
    """scikit-image's default window with range 2, which it assumed for float images when none was given."""
    return ssim_uniform(prediction, reference, (2.0,))[0]


def ssim_uniform(prediction: Tensor, reference: Tensor, ranges: Sequence[float]) -> Tensor:
    """``(len(ranges), N)`` float64: the uniform window with several value ranges, its moments computed once."""
    return _ssim(prediction, reference, "box", ranges)


def _ssim(prediction: Tensor, reference: Tensor, window: str, ranges: Sequence[float]) -> Tensor:
    check_images(prediction, reference)
    size = BOX if window == "box" else GAUSS
    if min(prediction.shape[-2:]) < size:
        raise ValueError(f"SSIM needs frames of at least {size} x {size} pixels, got {tuple(prediction.shape[-2:])}")
    prediction, reference = prediction.detach().float(), reference.detach().float()
    if prediction.device.type == "cpu":  # as arrays: OpenCV's filters are several times faster than torch's
        pairs, means, limit = zip(prediction.numpy(), reference.numpy()), _opencv_means, STRIP
    else:
        pairs, means, limit = zip(prediction, reference), _torch_means, prediction[0].numel() if len(prediction) else 1
    height, width = prediction.shape[-2:]
    windows = (height - size + 1) * (width - size + 1)
    step = max(1, limit // width - size + 1)  # rows of windows at a time
    values = np.zeros((len(ranges), len(prediction)))
    for position, (one, other) in enumerate(pairs):
        for x, y in zip(one, other):
            for top in range(0, height - size + 1, step):
                rows = slice(top, top + step + size - 1)
                values[:, position] += _local_sums(x[rows], y[rows], means, window, ranges)
    return torch.from_numpy(values / (3 * windows))


def _local_sums(x: Plane, y: Plane, means: Means, window: str, ranges: Sequence[float]) -> list[float]:
    """Sum of the local SSIM of two planes ``(H, W)`` for each value range; written for arrays and tensors alike."""
    total, difference = x + y, x - y
    total -= 1
    mean_sum, mean_difference, square_sum, square_difference = means(
        (total, difference, total * total, difference * difference), window
    )
    var_sum, var_difference = square_sum - mean_sum * mean_sum, square_difference - mean_difference * mean_difference
    if window == "box":  # sample (co)variance, as scikit-image's default
        var_sum *= BOX**2 / (BOX**2 - 1)
        var_difference *= BOX**2 / (BOX**2 - 1)
    mean_sum = mean_sum + 1
    mean_sum *= mean_sum
    mean_difference = mean_difference * mean_difference
    luminance, luminance_norm = mean_sum - mean_difference, mean_sum + mean_difference
    structure, structure_norm = var_sum - var_difference, var_sum + var_difference
    sums = []
    for value_range in ranges:
        c1, c2 = 2 * (K1 * value_range) ** 2, 2 * (K2 * value_range) ** 2
        local, norm = luminance + c1, luminance_norm + c1
        local *= structure + c2
        norm *= structure_norm + c2
        local /= norm
        sums.append(float(local.sum(dtype=np.float64 if isinstance(local, np.ndarray) else torch.float64)))
    return sums


def _opencv_means(planes: Sequence[np.ndarray], window: str) -> list[np.ndarray]:
    """Means of float32 planes ``(H, W)`` over the windows that lie inside."""
    if window == "box":
        filtered = [cv2.blur(plane, (BOX, BOX)) for plane in planes]
    else:
        filtered = [cv2.GaussianBlur(plane, (GAUSS, GAUSS), SIGMA) for plane in planes]
    edge = (BOX if window == "box" else GAUSS) // 2
    return [plane[edge:-edge, edge:-edge] for plane in filtered]


def _torch_means(planes: Sequence[Tensor], window: str) -> list[Tensor]:
    """The same for tensors on any device."""
    stacked = torch.stack(tuple(planes))[:, None]
    if window == "box":
        return list(F.avg_pool2d(stacked, BOX, stride=1)[:, 0])
    offsets = torch.arange(GAUSS, dtype=torch.float64, device=stacked.device) - GAUSS // 2
    weights = torch.exp(-offsets.square() / (2 * SIGMA**2))
    weights = (weights / weights.sum()).to(stacked.dtype)
    rows = F.conv2d(stacked, weights.view(1, 1, -1, 1))
    return list(F.conv2d(rows, weights.view(1, 1, 1, -1))[:, 0])
