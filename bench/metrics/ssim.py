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
# Values of an image that are worked on at once, half of one of 256 x 256: intermediate results stay in a processor's
# caches, and threads do not wait for Python's lock too often.
STRIP = 98_304
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
    step = max(1, STRIP // (3 * width)) if on_cpu else height
    backend = _Arrays(min(height, step + 2 * EDGE["gauss"]), width) if on_cpu else _Tensors()
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
    total, difference = backend.mixed(0, x, 1, y, 1, -centre), backend.subtracted(1, x, y)
    squares, difference_squares = backend.product(2, total, total), backend.product(3, difference, difference)
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
    centred = backend.product(8, total, total)
    centred += difference
    variance = backend.mixed(9, difference_squares, area, difference, -1)
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
    p = backend.mixed(10, total, 1, difference, 1, c1)
    q = backend.mixed(11, squares, area, centred, -1, c2)
    backend.divide(difference, p)
    backend.divide(variance, q)
    (p_sum, count), (q_sum, _) = (backend.inner(part, EDGE[window]) for part in (p, q))
    p *= q
    return count - 2 * (p_sum + q_sum) + 4 * backend.inner(p, EDGE[window])[0]


class _Arrays:
    """On a CPU: OpenCV's filters on colour images ``(H, W, 3)`` are several times faster than torch's.

    Results have places in one block of memory: arrays of this size made anew would have their pages cleared by the
    system each time, which takes longer than to compute them.
    """

    def __init__(self, rows: int, width: int):
        self._places = np.empty((12, rows, width, 3), dtype=np.float32)

    def _place(self, place: int, like: np.ndarray) -> np.ndarray:
        return self._places[place, : len(like)]

    def images(self, images: Tensor) -> np.ndarray:
        return as_arrays(images)

    def height(self, image: np.ndarray) -> int:
        return image.shape[0]

    def mean(self, image: np.ndarray) -> float:
        return sum(cv2.sumElems(image)) / image.size  # accumulates in float64

    def rows(self, image: np.ndarray, start: int, stop: int) -> np.ndarray:
        return image[start:stop]

    def sums(self, planes: Sequence[np.ndarray], window: str) -> list[np.ndarray]:
        """Weighted sums over windows, of the same shape; those of windows that reach over the border are of no use."""
        found = [self._place(place, plane) for place, plane in enumerate(planes, start=4)]
        for plane, result in zip(planes, found):
            if window == "box":  # faster than cv2.boxFilter, which adds up in float64
                cv2.sepFilter2D(plane, -1, _ONES, _ONES, dst=result)
            else:
                cv2.GaussianBlur(plane, (GAUSS, GAUSS), SIGMA, dst=result)
        return found

    def product(self, place: int, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.multiply(a, b, out=self._place(place, a))

    def subtracted(self, place: int, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.subtract(a, b, out=self._place(place, a))

    def mixed(
        self, place: int, a: np.ndarray, alpha: float, b: np.ndarray, beta: float, gamma: float = 0
    ) -> np.ndarray:
        """alpha a + beta b + gamma, in one pass."""
        return cv2.addWeighted(a, alpha, b, beta, gamma, dst=self._place(place, a))

    def divide(self, numerator: np.ndarray, denominator: np.ndarray) -> None:
        """The quotient in the denominator's place."""
        np.divide(numerator, denominator, out=denominator)

    def inner(self, plane: np.ndarray, edge: int) -> tuple[float, int]:
        """Sum and number of the values that are at least `edge` columns from the border."""
        inside = plane[:, edge:-edge]
        return sum(cv2.sumElems(inside)), inside.size


class _Tensors:
    """The same for tensors ``(3, H, W)`` on any device, in float64, which accelerators have time for."""

    def images(self, images: Tensor) -> Tensor:
        return images.detach().double()

    def height(self, image: Tensor) -> int:
        return image.shape[1]

    def mean(self, image: Tensor) -> float:
        return float(image.mean())

    def rows(self, image: Tensor, start: int, stop: int) -> Tensor:
        return image[:, start:stop]

    def sums(self, planes: Sequence[Tensor], window: str) -> list[Tensor]:
        stacked, edge = torch.cat(tuple(planes))[:, None], EDGE[window]
        weights = torch.ones(BOX, dtype=stacked.dtype, device=stacked.device)
        if window == "gauss":
            offsets = torch.arange(GAUSS, dtype=stacked.dtype, device=stacked.device) - edge
            weights = torch.exp(-offsets.square() / (2 * SIGMA**2))
            weights = weights / weights.sum()
        columns = F.conv2d(stacked, weights.view(1, 1, -1, 1), padding=(edge, 0))
        return list(F.conv2d(columns, weights.view(1, 1, 1, -1), padding=(0, edge))[:, 0].chunk(len(planes)))

    def product(self, _: int, a: Tensor, b: Tensor) -> Tensor:
        return a * b

    def subtracted(self, _: int, a: Tensor, b: Tensor) -> Tensor:
        return a - b

    def mixed(self, _: int, a: Tensor, alpha: float, b: Tensor, beta: float, gamma: float = 0) -> Tensor:
        return alpha * a + beta * b + gamma

    def divide(self, numerator: Tensor, denominator: Tensor) -> None:
        torch.divide(numerator, denominator, out=denominator)

    def inner(self, plane: Tensor, edge: int) -> tuple[float, int]:
        inside = plane[:, :, edge:-edge]
        return float(inside.sum()), inside.numel()
