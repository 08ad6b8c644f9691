"""Frames from image files."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps

from protocols.errors import DataError, Gone

MAX_PIXELS = 100_000_000  # of one frame; as RGB that is 300 MB
# Pillow knows others, some of which hand the file to outside programs (EPS to Ghostscript).
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "PPM")
_DEEP = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, OverflowError, Image.DecompressionBombError)

warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # `opened` refuses by its own limit


@cache
def _formats() -> tuple[str, ...]:
    """Those of `FORMATS` that this Pillow was built with."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


@contextmanager
def opened(file: Path | BinaryIO) -> Iterator[Image.Image]:
    """An image file of a known format, its head read and nothing decoded.

    Raises DataError, naming the file, where it is missing (`Gone`), no image, or has more than `MAX_PIXELS`; and for
    what goes wrong with the image inside the block.
    """
    try:
        with Image.open(file, formats=_formats()) as image:
            if image.width * image.height > MAX_PIXELS:
                raise DataError(f"{file}: {image.width}x{image.height} pixels, more than {MAX_PIXELS // 10**6} million")
            yield image
    except (FileNotFoundError, NotADirectoryError):
        raise Gone(f"{file}: no such file") from None
    except Image.UnidentifiedImageError:
        raise DataError(f"{file}: not a readable image (none of {', '.join(_formats())})") from None
    except _UNREADABLE as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise DataError(f"{file}: not a readable image ({reason})") from None
    except MemoryError:  # Pillow says so of rows that are too long for it, too
        bytearray(4 * image.width * image.height)  # raises again where the machine has too little
        raise DataError(
            f"{file}: not a readable image (no memory for its {image.width}x{image.height} pixels)"
        ) from None


def read_rgb(file: Path | BinaryIO, upright: bool = False) -> np.ndarray:
    """An image file as RGB uint8 ``(H, W, 3)``.

    Greyscale is repeated in the three channels. Alpha is dropped, not blended, as the demo scripts of the field do.
    upright: turn it as its EXIF orientation says; the data sets of the field are read as they are stored.
    Raises DataError, naming the file, where it is missing, truncated, no image, has more than 8 bits a channel or more
    than `MAX_PIXELS`.
    """
    with opened(file) as image:
        if image.mode in _DEEP or any(";16" in str(tile[3]) for tile in image.tile):  # Pillow would cut RGB with 16 off
            raise DataError(f"{file}: more than 8 bits a channel (mode {image.mode}); save it with 8 bits")
        return np.array((ImageOps.exif_transpose(image) if upright else image).convert("RGB"))


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """RGB uint8 ``(H, W, 3)`` to ``(height, width, 3)``: Pillow's Lanczos filter, antialiased when it shrinks.

    Pillow computes it in fixed-point integers, so the result is the same on every machine.
    """
    if image.shape[:2] == (height, width):
        return image
    return np.array(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS))
