"""Pictures that say how they are to be seen and which they are: four quarters of color, the number in bars.

Red top left, green top right, blue bottom left, gray bottom right; across the middle six bars with the frame's number
in binary, the least significant on the left, yellow for 1, black for 0.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

ODD = Path(__file__).parents[1] / "protocols" / "odd"
RED, GREEN, BLUE, GRAY = (200, 40, 40), (40, 180, 40), (40, 60, 200), (220, 220, 220)
UPRIGHT = (RED, GREEN, BLUE, GRAY)
YELLOW, BLACK = (230, 210, 30), (10, 10, 10)
BARS = 6


def picture(number: int, height: int = 120, width: int = 160) -> np.ndarray:
    """RGB uint8 ``(height, width, 3)``."""
    image = np.empty((height, width, 3), np.uint8)
    middle, center = height // 2, width // 2
    image[:middle, :center], image[:middle, center:] = RED, GREEN
    image[middle:, :center], image[middle:, center:] = BLUE, GRAY
    for bit in range(BARS):
        left, right = _bar(bit, width), _bar(bit + 1, width)
        image[round(0.42 * height) : round(0.58 * height), left:right] = YELLOW if number >> bit & 1 else BLACK
    return image


def number(image: np.ndarray) -> int:
    """The number in the bars of an upright picture, whatever its size."""
    height, width = image.shape[:2]
    centers = [(_bar(bit, width) + _bar(bit + 1, width)) // 2 for bit in range(BARS)]
    return sum(1 << bit for bit, x in enumerate(centers) if image[height // 2, x, :2].mean() > 110)


def quarters(image: np.ndarray) -> np.ndarray:
    """The colors of the four quarters ``(4, 3)``: top left, top right, bottom left, bottom right."""
    height, width = image.shape[:2]
    rows, columns = (round(0.15 * height), round(0.85 * height)), (round(0.15 * width), round(0.85 * width))
    return np.array([image[y - 2 : y + 3, x - 2 : x + 3].mean((0, 1)) for y in rows for x in columns])


def _bar(bit: int, width: int) -> int:
    return round(width * (35 + 15 * bit) / 160)
