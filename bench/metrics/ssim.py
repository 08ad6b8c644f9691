"""Structural similarity (Wang, Bovik, Sheikh and Simoncelli, IEEE TIP 2004, equation 13) in three definitions.

All average over the three color channels, and over the windows that fit inside the image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bench.metrics.base import as_arrays, check_images

K1, K2 = 0.01, 0.03
BOX = 7
GAUSS, SIGMA = 11, 1.5
EDGE = {"box": BOX // 2, "gauss": GAUSS // 2}
SAMPLE = {"box": BOX**2 / (BOX**2 - 1), "gauss": 1.0}  # scikit-image's default: sample (co)variances
Form = tuple[str, float]  # window, "box" or "gauss", and value range
Image = Any  # an array (H, W, 3) or a tensor (3, H, W)


def ssim(prediction: Tensor, reference: Tensor) -> Tensor:
    """Return SSIM as its authors define it: Gaussian window 11 x 11, sigma 1.5, range 1, population (co)variances."""
    return ssim_forms(prediction, reference, [("gauss", 1.0)])[0]


def ssim_skimage(prediction: Tensor, reference: Tensor) -> Tensor:
    """Return SSIM with scikit-image's default window (uniform 7 x 7, sample covariance) and value range 1."""
    return ssim_forms(prediction, reference, [("box", 1.0)])[0]


def ssim_published(prediction: Tensor, reference: Tensor) -> Tensor:
    """Return SSIM with scikit-image's default window and range 2, its default for float images."""
    return ssim_forms(prediction, reference, [("box", 2.0)])[0]


def ssim_forms(prediction: Tensor, reference: Tensor, forms: Sequence[Form]) -> Tensor:
    """Return several forms, ``(len(forms), N)`` float64 on the CPU; each has the same bits as when computed alone.

    One pair at a time, so that no number depends on the rest of its batch. OpenCV and float32 on a CPU; torch and
    float64 on accelerators, which are fast enough for it. Raises ValueError for frames smaller than a window.
    """
    check_images(prediction, reference)
    largest = max(2 * EDGE[window] + 1 for window, _ in forms)
    if min(prediction.shape[-2:]) < largest:
        size = tuple(prediction.shape[-2:])
        raise ValueError(f"SSIM needs frames of at least {largest} x {largest} pixels, got {size}")
    if prediction.device.type == "cpu":
        pairs = zip(as_arrays(prediction), as_arrays(reference))
        values = [_means(x, y, forms, _blurred_array, np.float64) for x, y in pairs]
        return torch.tensor(values, dtype=torch.float64).reshape(-1, len(forms)).T
    return torch.stack([torch.stack(pair) for pair in tensor_means(prediction, reference, forms)], 1).cpu()


def tensor_means(prediction: Tensor, reference: Tensor, forms: Sequence[Form]) -> list[list[Tensor]]:
    """Return the means of one pair: one 0-d float64 tensor per form, on the images' device."""
    pairs = zip(prediction.detach().double(), reference.detach().double())
    return [_means(x, y, forms, _blurred_tensor, torch.float64) for x, y in pairs]


def _means(x: Image, y: Image, forms: Sequence[Form], blur: Callable[[str, Image], Image], dtype: Any) -> list[Any]:
    """Return the means of the local values of one pair, one per form.

    Computed from moments of x + y and x - y, in which float32 keeps more digits than in those of x and y: a small
    difference of images is a small number. A value near the mean of the sum is subtracted from it for the same reason.
    """
    total, difference = x + y, x - y
    center = total.mean()
    total = total - center
    planes = total, difference, total * total, difference * difference
    moments = {window: [blur(window, plane) for plane in planes] for window in {window for window, _ in forms}}
    return [_equation_13(moments[form[0]], center, *form).mean(dtype=dtype) for form in forms]


def _equation_13(moments: Sequence[Image], center: Any, window: str, value_range: float) -> Image:
    """Return local values; uses 4 x y = (x + y)^2 - (x - y)^2 and 2 (x^2 + y^2) = (x + y)^2 + (x - y)^2.

    moments: blurred sum, difference, and the squares of both; `center` was subtracted from the sum.
    """
    total, difference, total_squares, difference_squares = moments
    c1, c2 = 2 * (K1 * value_range) ** 2, 2 * (K2 * value_range) ** 2 / SAMPLE[window]
    squared = difference * difference
    variance_of_total, variance_of_difference = total_squares - total * total, difference_squares - squared
    total = total + center
    total = total * total
    above = (total - squared + c1) * (variance_of_total - variance_of_difference + c2)
    return above / ((total + squared + c1) * (variance_of_total + variance_of_difference + c2))


def _blurred_array(window: str, image: np.ndarray) -> np.ndarray:
    edge = EDGE[window]
    blurred = cv2.blur(image, (BOX, BOX)) if window == "box" else cv2.GaussianBlur(image, (GAUSS, GAUSS), SIGMA)
    return blurred[edge:-edge, edge:-edge]


def _blurred_tensor(window: str, image: Tensor) -> Tensor:
    places = torch.arange(-EDGE[window], EDGE[window] + 1, dtype=image.dtype, device=image.device)
    weights = torch.ones_like(places) if window == "box" else torch.exp(-places.square() / (2 * SIGMA**2))
    weights = weights / weights.sum()
    columns = F.conv2d(image[:, None], weights.view(1, 1, -1, 1))
    return F.conv2d(columns, weights.view(1, 1, 1, -1))[:, 0]
