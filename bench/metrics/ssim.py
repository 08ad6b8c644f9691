"""Structural similarity (Wang, Bovik, Sheikh and Simoncelli, IEEE TIP 2004, equation 13) in three definitions.

All take the mean over the three colour channels of the mean over those windows that lie inside the image.

Both windows work on s = x + y and d = x - y, for which four local means do instead of five:
2 mx my = (ms^2 - md^2) / 2, mx^2 + my^2 = (ms^2 + md^2) / 2, and the same for the variances.
The sum is centred first, which keeps the float32 differences of moments within 1e-6 of a float64 computation.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import torch
from torch import Tensor
from torch.nn import functional as F

from bench.metrics.base import check_images

K1, K2 = 0.01, 0.03
BOX = 7
GAUSS, SIGMA = 11, 1.5


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
    values = torch.zeros(len(ranges), len(prediction), dtype=torch.float64)
    with torch.inference_mode():
        for position, (one, other) in enumerate(zip(prediction.float(), reference.float())):
            # One channel at a time: its planes stay in a processor's second-level cache.
            channels = [_channel(x, y, window, ranges) for x, y in zip(one, other)]
            values[:, position] = torch.stack(channels).mean(0).cpu()
    return values


def _channel(x: Tensor, y: Tensor, window: str, ranges: Sequence[float]) -> Tensor:
    """``(len(ranges),)`` float64: mean SSIM of two planes ``(H, W)``."""
    total, difference = (x + y).sub_(1), x - y
    planes = torch.stack((total, difference, total * total, difference * difference))
    mean_sum, mean_difference, square_sum, square_difference = _box(planes) if window == "box" else _gauss(planes)
    correction = BOX**2 / (BOX**2 - 1) if window == "box" else 1.0  # sample covariance, as scikit-image's default
    var_sum = (square_sum - mean_sum.square()).mul_(correction)
    var_difference = (square_difference - mean_difference.square()).mul_(correction)
    mean_sum, mean_difference = mean_sum.add(1).square_(), mean_difference.square()
    luminance, luminance_norm = mean_sum - mean_difference, mean_sum + mean_difference
    structure, structure_norm = var_sum - var_difference, var_sum + var_difference
    values = []
    for value_range in ranges:
        c1, c2 = 2 * (K1 * value_range) ** 2, 2 * (K2 * value_range) ** 2
        local = (luminance + c1).mul_(structure + c2).div_((luminance_norm + c1).mul_(structure_norm + c2))
        values.append(local.mean(dtype=torch.float64))
    return torch.stack(values)


def _box(planes: Tensor) -> Tensor:
    """Means over 7 x 7 windows of ``(4, H, W)``: windows of 2, 4 and then 7 by adding shifted copies."""
    for axis in (-2, -1):
        size = planes.shape[axis] - 6
        two = planes.narrow(axis, 0, size + 5) + planes.narrow(axis, 1, size + 5)
        four = two.narrow(axis, 0, size + 3) + two.narrow(axis, 2, size + 3)
        planes = (four.narrow(axis, 0, size) + two.narrow(axis, 4, size)).add_(planes.narrow(axis, 6, size))
    return planes.div_(BOX**2)


def _gauss(planes: Tensor) -> Tensor:
    """Gaussian means over 11 x 11 windows of ``(4, H, W)``; OpenCV's filter is three times faster than torch's."""
    return _gauss_opencv(planes) if planes.device.type == "cpu" else _gauss_torch(planes)


def _gauss_opencv(planes: Tensor) -> Tensor:
    edge = GAUSS // 2
    blurred = [cv2.GaussianBlur(plane, (GAUSS, GAUSS), SIGMA) for plane in planes.numpy()]
    return torch.stack([torch.from_numpy(plane)[edge:-edge, edge:-edge] for plane in blurred])


def _gauss_torch(planes: Tensor) -> Tensor:
    offsets = torch.arange(GAUSS, dtype=torch.float64, device=planes.device) - GAUSS // 2
    weights = torch.exp(-offsets.square() / (2 * SIGMA**2))
    weights = (weights / weights.sum()).to(planes.dtype)
    rows = F.conv2d(planes[:, None], weights.view(1, 1, -1, 1))
    return F.conv2d(rows, weights.view(1, 1, 1, -1))[:, 0]
