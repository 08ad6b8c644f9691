"""Frames from image files."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps

from protocols.errors import DataError

_DEEP = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")


def read_rgb(file: Path | BinaryIO, upright: bool = False) -> np.ndarray:
    """An image file as RGB uint8 ``(H, W, 3)``.

    Greyscale is repeated in the three channels. Alpha is dropped, not blended, as the demo scripts of the field do.
    upright: turn it as its EXIF orientation says; the data sets of the field are read as they are stored.
    Raises DataError, naming the file, where it is missing, truncated, no image, or has more than 8 bits a channel.
    """
    try:
        with Image.open(file) as image:
            if image.mode in _DEEP:
                raise DataError(f"{file}: more than 8 bits a channel (mode {image.mode}); save it with 8 bits")
            return np.array((ImageOps.exif_transpose(image) if upright else image).convert("RGB"))
    except FileNotFoundError:
        raise DataError(f"{file}: no such file") from None
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise DataError(f"{file}: not a readable image ({reason})") from None


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """RGB uint8 ``(H, W, 3)`` to ``(height, width, 3)``: Pillow's Lanczos filter, antialiased when it shrinks.

    Pillow computes it in fixed-point integers, so the result is the same on every machine.
    """
    if image.shape[:2] == (height, width):
        return image
    return np.array(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS))


def centre_square(image: np.ndarray) -> np.ndarray:
    """The largest square in the middle of an image ``(H, W, 3)``."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return np.ascontiguousarray(image[top : top + side, left : left + side])
