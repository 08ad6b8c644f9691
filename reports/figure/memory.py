"""A picture of every channel of a memory."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from reports.figure.grid import LEADING, STEP

DPI = 300  # at least


def columns_for(channels: int) -> int:
    """Return the number of channels per row, a power of two: a bank of 512 is 32 wide and 16 high."""
    return 2 ** math.ceil(math.log2(math.sqrt(2 * channels)))


def mosaic(memory: np.ndarray, order: Sequence[int], columns: int) -> np.ndarray:
    """Return the channels of a memory ``(M, S, S)`` as one uint8 ``(h, w, 3)``, separated by white lines.

    Each channel is scaled to its own range; a constant channel is black.
    """
    side = memory.shape[1]
    rows = -(-len(order) // columns)
    canvas = np.full((rows * (side + 1) - 1, columns * (side + 1) - 1), 255, np.uint8)
    for place, channel in enumerate(order):
        top, left = place // columns * (side + 1), place % columns * (side + 1)
        values = memory[channel].astype(float)
        low, high = values.min(), values.max()
        level = (values - low) / (high - low) if high > low else np.zeros_like(values)
        canvas[top : top + side, left : left + side] = (255 * level).round()
    return np.repeat(canvas[..., None], 3, axis=2)


def draw(banks: Mapping[str, np.ndarray], order: Sequence[int], columns: int, inches: float, points: float) -> Figure:
    """Return banks ``(M, S, S)`` under their titles (may be empty), one below the other, with the same channels.

    Every cell is a whole number of pixels wide.
    """
    made = {title: mosaic(bank, order, columns) for title, bank in banks.items()}
    widest = max(image.shape[1] for image in made.values())
    times = max(1, math.ceil(inches * DPI / widest))
    dpi = int(-(-times * widest / inches // STEP) * STEP)
    width, line = round(inches * dpi), round(LEADING * points / 72 * dpi * 1.15)
    scaled = {title: _times(image, times * widest // image.shape[1]) for title, image in made.items()}
    heads = {title: line if title else 0 for title in scaled}
    height = sum(image.shape[0] + heads[title] for title, image in scaled.items())
    figure = Figure(figsize=(width / dpi, height / dpi), dpi=dpi)
    FigureCanvasAgg(figure)
    y = height
    for title, image in scaled.items():
        if title:
            figure.text(0.5, (y - 0.75 * line) / height, title, ha="center", va="baseline")
        y -= heads[title] + image.shape[0]
        left = (width - image.shape[1]) // 2
        ax = figure.add_axes((left / width, y / height, image.shape[1] / width, image.shape[0] / height))
        ax.imshow(image, interpolation="none")
        ax.set_axis_off()
    return figure


def _times(image: np.ndarray, times: int) -> np.ndarray:
    return np.repeat(np.repeat(image, times, axis=0), times, axis=1)
