"""Pixels of figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def holds(figure: np.ndarray, tile: np.ndarray) -> bool:
    """Whether the pixels of a tile stand somewhere in a figure as they are."""
    height, width = tile.shape[:2]
    starts = np.argwhere((figure[: -height + 1 or None, : -width + 1 or None] == tile[0, 0]).all(2))
    return any(np.array_equal(figure[y : y + height, x : x + width], tile) for y, x in starts)


def drawn(file: Path) -> np.ndarray:
    return np.asarray(Image.open(file).convert("RGB"))
