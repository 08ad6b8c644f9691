"""Structural similarity (Wang, Bovik, Sheikh and Simoncelli, IEEE TIP 2004, equation 13) in three definitions.

All take the mean over the three colour channels of the mean over those windows that lie inside the image.

Both windows work on s = x + y and d = x - y, for which four local means do instead of five:
2 mx my = (ms^2 - md^2) / 2, mx^2 + my^2 = (ms^2 + md^2) / 2, and the same for the variances.
The sum is centred first, which keeps the float32 differences of moments within 1e-6 of a float64 computation.
"""

from __future__ import annotations

from collections.abc import Sequence
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
# Values of an image that are worked on at once: intermediate results stay in the caches of a core.
STRIP = 73_728
Form = tuple[str, float]  # window, "box" or "gauss", and value range
Plane = Any  # an array (H, W, 3) or a tensor (3, H, W)

# The box adds up, and what follows works in units of its area: 1/49 as a float32 is off by enough to be seen.
_ONES = np.ones(BOX, dtype=np.float32)
AREA = {"box": BOX**2, "gauss": 1}


def ssim(prediction: Tensor, reference: Tensor) -> Tensor:
    """As its authors define it: Gaussian window 11 x 11 of sigma 1.5, value range 1, population (co)variances."""
    return ssim_forms(prediction, reference, [("gauss", 1.0)])[0]


def ssim_skimage(prediction: Tensor, reference: Tensor) -> Tensor:
    """scikit-image's default window (uniform 7 x 7, sample covariance), told the right range, 1."""
    return ssim_forms(prediction, reference, [("box", 1.0)])[0]


def ssim_published(prediction: Tensor, reference: Tensor) -> Tensor:
    """scikit-image's default window with range 2, which it assumed for float images when none was given."""
    return ssim_forms(prediction, reference, [("box", 2.0)])[0]


def ssim_forms(prediction: Tensor, reference: Tensor, forms: Sequence[Form]) -> Tensor:
    """``(len(forms), N)`` float64. What forms have in common is computed once; each is the same as when alone."""
    check_images(prediction, reference)
    height, width = prediction.shape[-2:]
    largest = max(2 * EDGE[window] + 1 for window, _ in forms)
    if min(height, width) < largest:
        raise ValueError(f"SSIM needs frames of at least {largest} x {largest} pixels, got ({height}, {width})")
    on_cpu = prediction.device.type == "cpu"
    backend = _Arrays if on_cpu else _Tensors
    step = max(1, STRIP // (3 * width)) if on_cpu else height
    sums = np.zeros((len(forms), len(prediction)))
    for position, (x, y) in enumerate(zip(backend.images(prediction), backend.images(reference))):
        for top in range(0, height, step):
            sums[:, position] += _strip_sums(x, y, top, min(top + step, height), forms, backend)
    windows = [3 * (height - 2 * EDGE[window]) * (width - 2 * EDGE[window]) for window, _ in forms]
    return torch.from_numpy(sums / np.array(windows)[:, None])


def _strip_sums(x: Plane, y: Plane, top: int, bottom: int, forms: Sequence[Form], backend: Any) -> list[float]:
    """Sums of the local SSIM, form by form, over the windows with centres in the rows from `top` to before `bottom`."""
    height = backend.height(x)
    # The halo is that of the larger window, whatever the forms: a form alone and among others gives the same bits.
    start, stop = max(0, top - EDGE["gauss"]), min(height, bottom + EDGE["gauss"])
    x, y = backend.rows(x, start, stop), backend.rows(y, start, stop)
    total, difference = x + y, x - y
    total -= 1
    planes = (total, difference, total * total, difference * difference)
    terms = {window: _terms(backend.sums(planes, window), window) for window in dict.fromkeys(w for w, _ in forms)}
    sums = []
    for window, value_range in forms:
        edge = EDGE[window]
        luminance, luminance_norm, structure, structure_norm = terms[window]
        c1, c2 = (2 * (k * value_range * AREA[window]) ** 2 for k in (K1, K2))
        if window == "box":  # sample (co)variance, as scikit-image's default: as if all others were 48/49 as large
            c2 *= (BOX**2 - 1) / BOX**2
        local, norm = luminance + c1, luminance_norm + c1
        local *= structure + c2
        norm *= structure_norm + c2
        local /= norm
        first, last = max(top, edge) - start, min(bottom, height - edge) - start
        sums.append(backend.inner_sum(local, first, last, edge) if first < last else 0.0)
    return sums


def _terms(sums: Sequence[Plane], window: str) -> tuple[Plane, Plane, Plane, Plane]:
    """Numerators and denominators of the luminance and the structure term, without constants, times twice area^2."""
    area = AREA[window]
    total, difference, total_squares, difference_squares = sums
    if area > 1:
        total_squares *= area
        difference_squares *= area
    total_squares -= total * total
    total += area  # the centre of the sum comes back
    total *= total
    difference *= difference
    difference_squares -= difference
    luminance, structure = total - difference, total_squares - difference_squares
    total += difference
    total_squares += difference_squares
    return luminance, total, structure, total_squares


class _Arrays:
    """On a CPU: OpenCV's filters on colour images ``(H, W, 3)`` are several times faster than torch's."""

    @staticmethod
    def images(images: Tensor) -> np.ndarray:
        return as_arrays(images)

    @staticmethod
    def height(image: np.ndarray) -> int:
        return image.shape[0]

    @staticmethod
    def rows(image: np.ndarray, start: int, stop: int) -> np.ndarray:
        return image[start:stop]

    @staticmethod
    def sums(planes: Sequence[np.ndarray], window: str) -> list[np.ndarray]:
        """Weighted sums over windows, of the same shape; those of windows that reach over the border are of no use."""
        if window == "box":  # faster than cv2.boxFilter, which adds up in float64
            return [cv2.sepFilter2D(plane, -1, _ONES, _ONES) for plane in planes]
        return [cv2.GaussianBlur(plane, (GAUSS, GAUSS), SIGMA) for plane in planes]

    @staticmethod
    def inner_sum(plane: np.ndarray, first: int, last: int, edge: int) -> float:
        return sum(cv2.sumElems(plane[first:last, edge:-edge]))  # accumulates in float64


class _Tensors:
    """The same for tensors ``(3, H, W)`` on any device, in float64, which accelerators have time for."""

    @staticmethod
    def images(images: Tensor) -> Tensor:
        return images.detach().double()

    @staticmethod
    def height(image: Tensor) -> int:
        return image.shape[1]

    @staticmethod
    def rows(image: Tensor, start: int, stop: int) -> Tensor:
        return image[:, start:stop]

    @staticmethod
    def sums(planes: Sequence[Tensor], window: str) -> list[Tensor]:
        stacked, edge = torch.cat(tuple(planes))[:, None], EDGE[window]
        weights = torch.ones(BOX, dtype=stacked.dtype, device=stacked.device)
        if window == "gauss":
            offsets = torch.arange(GAUSS, dtype=stacked.dtype, device=stacked.device) - edge
            weights = torch.exp(-offsets.square() / (2 * SIGMA**2))
            weights = weights / weights.sum()
        columns = F.conv2d(stacked, weights.view(1, 1, -1, 1), padding=(edge, 0))
        return list(F.conv2d(columns, weights.view(1, 1, 1, -1), padding=(0, edge))[:, 0].chunk(len(planes)))

    @staticmethod
    def inner_sum(plane: Tensor, first: int, last: int, edge: int) -> float:
        return float(plane[:, first:last, edge:-edge].sum())
