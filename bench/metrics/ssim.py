"""Structural similarity (Wang, Bovik, Sheikh and Simoncelli, IEEE TIP 2004, equation 13) in three definitions.

All take the mean over the three colour channels of the mean over those windows that lie inside the image.

All work on s = x + y and d = x - y, for which four local means do instead of five. With P = E[s]^2 + E[d]^2 and
Q = var s + var d, and constants twice the paper's, the local value is
(P + c1 - 2 E[d]^2) / (P + c1) * (Q + c2 - 2 var d) / (Q + c2) = (1 - 2 p) (1 - 2 q),
p = E[d]^2 / (P + c1) and q = var d / (Q + c2): what p and q lack of zero is what two images lack of being equal.
The mean of both images is taken off the sum first, which keeps the float32 differences of moments within 1e-6 of a
float64 computation.
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
AREA = {"box": BOX**2, "gauss": 1}
_ONES = np.ones(BOX, dtype=np.float32)


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
        centre = round((backend.mean(x) + backend.mean(y)) * 256) / 256  # short: its products with areas are exact
        for top in range(0, height, step):
            sums[:, position] += _strip_sums(x, y, centre, top, min(top + step, height), forms, backend)
    windows = [3 * (height - 2 * EDGE[window]) * (width - 2 * EDGE[window]) for window, _ in forms]
    return torch.from_numpy(sums / np.array(windows)[:, None])


def _strip_sums(
    x: Plane, y: Plane, centre: float, top: int, bottom: int, forms: Sequence[Form], backend: Any
) -> list[float]:
    """Sums of the local SSIM, form by form, over the windows in the middle of the rows from `top` to before `bottom`.

    centre: a value near x + y.
    """
    height = backend.height(x)
    # The halo is that of the larger window, whatever the forms: a form alone and among others gives the same bits.
    start, stop = max(0, top - EDGE["gauss"]), min(height, bottom + EDGE["gauss"])
    x, y = backend.rows(x, start, stop), backend.rows(y, start, stop)
    total, difference = backend.mixed(x, 1, y, 1, -centre), x - y
    difference_squares = difference * difference
    squares = total * total
    squares += difference_squares
    planes = (total, difference, squares, difference_squares)
    sums = dict.fromkeys(forms, 0.0)
    for window in dict.fromkeys(window for window, _ in forms):
        edge = EDGE[window]
        first, last = max(top, edge) - start, min(bottom, height - edge) - start
        if first < last:
            sums_of_rows = [backend.rows(plane, first, last) for plane in backend.sums(planes, window)]
            terms = _terms(sums_of_rows, centre, AREA[window], backend)
            for form in sums:
                if form[0] == window:
                    sums[form] = _local_sum(terms, form, backend)
    return [sums[form] for form in forms]


def _terms(sums: Sequence[Plane], centre: float, area: int, backend: Any) -> tuple[Plane, ...]:
    """E[d]^2, E[s]^2, var d, E[s^2] + E[d^2] and P of the centred sum, from four windows' sums, which are changed.

    In units of the square of the window's area, but the last but one in units of the area.
    """
    total, difference, squares, difference_squares = sums
    difference *= difference
    centred = total * total
    centred += difference
    variance = backend.mixed(difference_squares, area, difference, -1)
    total += centre * area
    total *= total
    return difference, total, variance, squares, centred


def _local_sum(terms: tuple[Plane, ...], form: Form, backend: Any) -> float:
    """Sum of the local SSIM over the windows whose terms are given."""
    window, value_range = form
    area = AREA[window]
    c1, c2 = (2 * (k * value_range * area) ** 2 for k in (K1, K2))
    if window == "box":  # sample (co)variance, as scikit-image's default: as if all others were 48/49 as large
        c2 *= (BOX**2 - 1) / BOX**2
    difference, total, variance, squares, centred = terms
    p, q = backend.mixed(total, 1, difference, 1, c1), backend.mixed(squares, area, centred, -1, c2)
    backend.divide(difference, p)
    backend.divide(variance, q)
    (p_sum, count), (q_sum, _) = (backend.inner(part, EDGE[window]) for part in (p, q))
    p *= q
    return count - 2 * (p_sum + q_sum) + 4 * backend.inner(p, EDGE[window])[0]


class _Arrays:
    """On a CPU: OpenCV's filters on colour images ``(H, W, 3)`` are several times faster than torch's."""

    @staticmethod
    def images(images: Tensor) -> np.ndarray:
        return as_arrays(images)

    @staticmethod
    def height(image: np.ndarray) -> int:
        return image.shape[0]

    @staticmethod
    def mean(image: np.ndarray) -> float:
        return sum(cv2.sumElems(image)) / image.size  # accumulates in float64

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
    def mixed(a: np.ndarray, alpha: float, b: np.ndarray, beta: float, gamma: float = 0) -> np.ndarray:
        """alpha a + beta b + gamma, in one pass."""
        return cv2.addWeighted(a, alpha, b, beta, gamma)

    @staticmethod
    def divide(numerator: np.ndarray, denominator: np.ndarray) -> None:
        """The quotient in the denominator's place."""
        np.divide(numerator, denominator, out=denominator)

    @staticmethod
    def inner(plane: np.ndarray, edge: int) -> tuple[float, int]:
        """Sum and number of the values that are at least `edge` columns from the border."""
        inside = plane[:, edge:-edge]
        return sum(cv2.sumElems(inside)), inside.size


class _Tensors:
    """The same for tensors ``(3, H, W)`` on any device, in float64, which accelerators have time for."""

    @staticmethod
    def images(images: Tensor) -> Tensor:
        return images.detach().double()

    @staticmethod
    def height(image: Tensor) -> int:
        return image.shape[1]

    @staticmethod
    def mean(image: Tensor) -> float:
        return float(image.mean())

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
    def mixed(a: Tensor, alpha: float, b: Tensor, beta: float, gamma: float = 0) -> Tensor:
        return alpha * a + beta * b + gamma

    @staticmethod
    def divide(numerator: Tensor, denominator: Tensor) -> None:
        torch.divide(numerator, denominator, out=denominator)

    @staticmethod
    def inner(plane: Tensor, edge: int) -> tuple[float, int]:
        inside = plane[:, :, edge:-edge]
        return float(inside.sum()), inside.numel()
