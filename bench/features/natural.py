"""Natural scene statistics of locally normalized brightness, which blur, noise and coding change.

Mittal, Moorthy and Bovik (BRISQUE, IEEE TIP 2012) and Mittal, Soundararajan and Bovik (NIQE, IEEE SPL 2013): in natural
pictures, brightness divided by its local contrast has a generalized Gaussian distribution, and products of neighbors an
asymmetric one. Their shapes and widths are the features, fitted by moments as in the authors' scripts.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from scipy.special import gamma

WINDOW, SIGMA = 7, 7 / 6  # Gaussian window of local mean and contrast
FLAT = 1e-9  # differences in [0, 255] below this are rounding errors
SHAPES = np.arange(0.2, 10.0005, 0.001)  # candidate shapes of a fit
NEIGHBORS = ((0, 1), (1, 0), (1, 1), (-1, 1))  # offsets (rows, columns) to the other pixel of a pair


def normalized(gray: np.ndarray, border: int) -> np.ndarray:
    """Return (brightness - local mean) / (local standard deviation + 1) of ``(H, W)`` in [0, 255].

    border: OpenCV's ``BORDER_...`` for pixels outside the picture.
    """
    window = cv2.getGaussianKernel(WINDOW, SIGMA, cv2.CV_64F)
    mean = cv2.sepFilter2D(gray, cv2.CV_64F, window, window, borderType=border)
    squares = cv2.sepFilter2D(gray * gray, cv2.CV_64F, window, window, borderType=border)
    apart = gray - mean
    apart[np.abs(apart) < FLAT] = 0  # otherwise rounding would decide the sign on flat surfaces
    return apart / (np.sqrt(np.abs(squares - mean * mean)) + 1)


def halved(gray: np.ndarray) -> np.ndarray:
    """Resize ``(H, W)`` to half by an antialiased bicubic kernel with mirrored edges (`imresize`)."""
    away = np.abs(np.arange(-3.5, 4)) / 2
    near, far = 1.5 * away**3 - 2.5 * away**2 + 1, -0.5 * away**3 + 2.5 * away**2 - 4 * away + 2
    kernel = np.where(away <= 1, near, far) / 2
    kernel /= kernel.sum()
    whole = cv2.sepFilter2D(gray, cv2.CV_64F, kernel, kernel, anchor=(3, 3), borderType=cv2.BORDER_REFLECT)
    return whole[::2, ::2]


def symmetric(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit a generalized Gaussian to the moments of ``(..., N)``; return shape and variance, each ``(...)``."""
    variance = (values**2).mean(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return _shape(np.abs(values).mean(-1) ** 2 / variance), variance


def asymmetric(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit an asymmetric one to the moments of ``(..., N)``; return shape, left and right deviation, each ``(...)``."""
    left, right = (_deviation(values, side) for side in (values < 0, values > 0))
    with np.errstate(invalid="ignore", divide="ignore"):
        skew = left / right
        spread = np.abs(values).mean(-1) ** 2 / (values**2).mean(-1)
        return _shape(spread * (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2), left, right


def pairs(values: np.ndarray) -> np.ndarray:
    """Return products with the four neighbors, ``(..., 4, H * W)`` of ``(..., H, W)``, with wrap-around at borders."""
    moved = [values * np.roll(values, by, (-2, -1)) for by in NEIGHBORS]
    return np.stack(moved, -3).reshape(*values.shape[:-2], len(NEIGHBORS), -1)


def spread_of(shape: np.ndarray) -> np.ndarray:
    """Return the ratio of scale to standard deviation of a generalized Gaussian with this shape."""
    return np.sqrt(gamma(1 / shape) / gamma(3 / shape))


def lean_of(shape: np.ndarray) -> np.ndarray:
    """Return the factor from the difference of the two scales to the mean of an asymmetric Gaussian with this shape."""
    return gamma(2 / shape) / gamma(1 / shape)


def _deviation(values: np.ndarray, side: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.sqrt(np.where(side, values**2, 0).sum(-1) / side.sum(-1))


@cache
def _moments() -> np.ndarray:
    """Return squared mean absolute value divided by the variance for each of `SHAPES`, ascending."""
    return gamma(2 / SHAPES) ** 2 / (gamma(1 / SHAPES) * gamma(3 / SHAPES))


def _shape(moment: np.ndarray) -> np.ndarray:
    """Return the shape with the nearest moment; NaN without a moment, as in a picture of one color."""
    known = _moments()
    right = np.clip(np.searchsorted(known, moment), 1, len(known) - 1)
    nearest = np.where(moment - known[right - 1] <= known[right] - moment, right - 1, right)
    return np.where(np.isfinite(moment), SHAPES[nearest], np.nan)
