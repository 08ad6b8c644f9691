"""Display of stored pictures: display matrices, and pixels that are not square."""

from __future__ import annotations

import math
import struct
from fractions import Fraction

import numpy as np

from protocols.images import resize

# Where the right and the lower edge of the stored picture are when it is shown: rows of the matrix (a, b), (c, d).
_NAMES = {
    (1, 0, 0, 1): "none",
    (0, 1, -1, 0): "turned 90 degrees clockwise",
    (-1, 0, 0, -1): "turned 180 degrees",
    (0, -1, 1, 0): "turned 90 degrees counterclockwise",
    (-1, 0, 0, 1): "mirrored left to right",
    (1, 0, 0, -1): "flipped top to bottom",
    (0, 1, 1, 0): "mirrored at the diagonal from top left",
    (0, -1, -1, 0): "mirrored at the diagonal from top right",
}
_ODDEST = 16  # the largest plausible ratio of a pixel's sides
UPRIGHT = (1, 0, 0, 1)
Turn = tuple[int, int, int, int]


def turn(matrix: bytes | None) -> Turn:
    """Return the quarter turn and mirroring of a display matrix (FFmpeg's ``AV_PKT_DATA_DISPLAYMATRIX``).

    A stored point (x, y), y downwards, is shown at (a x + c y, b x + d y). Raises ValueError for other angles.
    """
    if not matrix:
        return UPRIGHT
    a, b, _, c, d = struct.unpack("=5i", matrix[:20])
    largest = max(abs(value) for value in (a, b, c, d))
    found = tuple(round(value / largest) for value in (a, b, c, d)) if largest else ()
    slanted = largest and min(max(abs(a), abs(d)), max(abs(b), abs(c))) > 0.02 * largest
    if found not in _NAMES or slanted:
        angle = round(math.degrees(math.atan2(b, a)))
        raise ValueError(f"a display matrix that turns it by {angle} degrees; only quarter turns are supported")
    return found


def name(turned: Turn) -> str:
    """Return a turn in words."""
    return _NAMES[turned]


def shown_size(height: int, width: int, aspect: Fraction, turned: Turn) -> tuple[int, int]:
    """Return (height, width) in square pixels, upright."""
    height, width = _square(height, width, aspect)
    return (width, height) if turned[0] == 0 else (height, width)


def show(image: np.ndarray, aspect: Fraction, turned: Turn) -> np.ndarray:
    """Return a stored picture ``(H, W, 3)`` in square pixels, upright. aspect: a pixel's width / height.

    The shorter side of the pixels is enlarged (`protocols.images.resize`), so that no detail is lost.
    """
    if aspect != 1:
        height, width = image.shape[:2]
        image = resize(np.ascontiguousarray(image), *_square(height, width, aspect))
    a, b, c, d = turned
    if a:
        return np.ascontiguousarray(image[::d, ::a])
    return np.ascontiguousarray(image.transpose(1, 0, 2)[::b, ::c])


def pixel_aspect(ratio: Fraction | None) -> Fraction:
    """Return a file's pixel aspect ratio as a usable number: 1 if it is missing or implausible."""
    if not ratio or not 1 / _ODDEST <= ratio <= _ODDEST:
        return Fraction(1)
    return Fraction(ratio)


def _square(height: int, width: int, aspect: Fraction) -> tuple[int, int]:
    return (height, max(1, round(width * aspect))) if aspect > 1 else (max(1, round(height / aspect)), width)
