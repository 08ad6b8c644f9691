"""The share of edges that look sharp: CPBD (Narvekar and Karam, IEEE TIP 2011).

Widths of vertical edges are measured along the row (Marziliano et al., ICIP 2002): from the local minimum on one side
to the local maximum on the other. Only blocks of 64 x 64 pixels with edges count. The probability of seeing an edge as
blurred is 1 - exp(-(width / just noticeable width) ** 3.6). Details that the paper leaves open follow the package cpbd
1.0.7, with equal results.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import correlate1d
from skimage.feature import canny

BLOCK, LEAST = 64, 0.002  # side of a block; minimum share of edge pixels
EXPONENT, SEEN = 3.6, 63  # exponent of the probability; percent up to which an edge counts as sharp
CONTRAST, NARROW, WIDE = 50, 3, 5  # up to this contrast of a block, the just noticeable width is larger
FARTHEST = 100  # steps along a row


def sharp_share(gray: np.ndarray) -> float:
    """Return the CPBD of uint8 ``(H, W)``, in [0, 1]; NaN if no block has an edge with a width."""
    if min(gray.shape) < BLOCK:
        return float("nan")
    widths = edge_widths(gray)
    blocks = [one // BLOCK for one in gray.shape]
    edges, sizes, levels = (_blocks(one, *blocks) for one in (canny(gray.astype(np.float64)), widths, gray))
    contrast = levels.max(1).astype(int) - levels.min(1)
    noticed = np.where(contrast <= CONTRAST, WIDE, NARROW)[:, None]
    counted = (edges.sum(1) > BLOCK * BLOCK * LEAST)[:, None] & (sizes > 0)
    blurred = np.round(100 * (1 - np.exp(-((sizes / noticed) ** EXPONENT))))
    return float((blurred[counted] <= SEEN).mean()) if counted.any() else float("nan")


def edge_widths(gray: np.ndarray) -> np.ndarray:
    """Return the widths of the vertical edges of uint8 ``(H, W)`` in pixels; 0 elsewhere."""
    level = gray.astype(np.float64)
    down, across = np.gradient(level)
    eighths = np.round(np.degrees(np.arctan2(down, across)) / 45)
    eighths[across == 0] = 0  # as in the authors' script
    edges = _vertical_edges(level)
    edges[[0, -1]] = edges[:, [0, -1]] = False
    rising, falling = (_width(level, sign) for sign in (1, -1))
    widths = np.where(eighths == 0, rising, np.where(np.abs(eighths) == 4, falling, 0))
    return np.where(edges, widths, 0)


def _vertical_edges(level: np.ndarray) -> np.ndarray:
    """Return pixels with a maximum of the gradient along the row or column that is large enough."""
    smooth = correlate1d(level, [0.25, 0.5, 0.25], 0)
    strength = (correlate1d(smooth, [-1, 0, 1], 1) / 2) ** 2
    strength[strength <= 2 * np.sqrt(strength.mean())] = 0
    around = np.pad(strength, 1)
    beside = (strength > around[1:-1, :-2]) & (strength > around[1:-1, 2:])
    above = (strength > around[:-2, 1:-1]) & (strength > around[2:, 1:-1])
    return beside | above


def _width(level: np.ndarray, sign: int) -> np.ndarray:
    """Return for every pixel the columns to the left while brightness falls, and to the right while it rises.

    sign: -1 for the opposite direction.
    """
    climbs = sign * np.diff(level, axis=1) > 0  # from column k to k + 1
    left = _run(climbs)  # length of the climb that ends at a column
    right = _run(climbs[:, ::-1])[:, ::-1]  # ... that starts there
    width = np.zeros(level.shape, int)
    width[:, 1:-1] = np.minimum(left[:, :-2], FARTHEST) + np.minimum(right[:, 2:], FARTHEST) + 2
    return width


def _run(steps: np.ndarray) -> np.ndarray:
    """Return the number of consecutive true steps ``(H, W - 1)`` before each column ``(H, W)``."""
    columns = np.arange(steps.shape[1] + 1)
    broken = np.pad(~steps, ((0, 0), (1, 0)), constant_values=True)
    return columns - np.maximum.accumulate(np.where(broken, columns, 0), 1)


def _blocks(values: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Cut into blocks ``(rows * columns, BLOCK * BLOCK)``; the rest at the right and bottom is dropped."""
    whole = values[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)
    return whole.swapaxes(1, 2).reshape(rows * columns, BLOCK * BLOCK)
