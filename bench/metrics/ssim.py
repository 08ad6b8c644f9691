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
    means = _opencv_means if x.device.type == "cpu" else _torch_means
    mean_sum, mean_difference, square_sum, square_difference = means(
        (total, difference, total * total, difference * difference), window
    )
    var_sum, var_difference = square_sum - mean_sum.square(), square_difference - mean_difference.square()
    if window == "box":  # sample (co)variance, as scikit-image's default
        var_sum, var_difference = (variance.mul_(BOX**2 / (BOX**2 - 1)) for variance in (var_sum, var_difference))
    mean_sum, mean_difference = mean_sum.add(1).square_(), mean_difference.square()
    luminance, luminance_norm = mean_sum - mean_difference, mean_sum + mean_difference
    structure, structure_norm = var_sum - var_difference, var_sum + var_difference
    values = []
    for value_range in ranges:
        c1, c2 = 2 * (K1 * value_range) ** 2, 2 * (K2 * value_range) ** 2
        local = (luminance + c1).mul_(structure + c2).div_((luminance_norm + c1).mul_(structure_norm + c2))
        values.append(local.mean(dtype=torch.float64))
    return torch.stack(values)


def _opencv_means(planes: Sequence[Tensor], window: str) -> list[Tensor]:
    """Local means of planes ``(H, W)`` on the CPU, where the window fits; several times faster than torch's filters."""
    size = BOX if window == "box" else GAUSS
    arrays = (plane.numpy() for plane in planes)
    if window == "box":
        filtered = [cv2.blur(array, (size, size)) for array in arrays]
    else:
        filtered = [cv2.GaussianBlur(array, (size, size), SIGMA) for array in arrays]
    edge = size // 2
    return [torch.from_numpy(array)[edge:-edge, edge:-edge] for array in filtered]


def _torch_means(planes: Sequence[Tensor], window: str) -> list[Tensor]:
    """The same on any device."""
    stacked = torch.stack(tuple(planes))[:, None]
    if window == "box":
        return list(F.avg_pool2d(stacked, BOX, stride=1)[:, 0])
    offsets = torch.arange(GAUSS, dtype=torch.float64, device=stacked.device) - GAUSS // 2
    weights = torch.exp(-offsets.square() / (2 * SIGMA**2))
    weights = (weights / weights.sum()).to(stacked.dtype)
    rows = F.conv2d(stacked, weights.view(1, 1, -1, 1))
    return list(F.conv2d(rows, weights.view(1, 1, 1, -1))[:, 0])
