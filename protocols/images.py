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

from protocols.errors import DataError, MissingFile, first_line

MAX_PIXELS = 100_000_000  # of one frame; as RGB that is 300 MB
# Pillow knows others, some of which pass the file to external programs (EPS to Ghostscript).
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "PPM")
_ORIENTATION = 0x0112  # of EXIF
_TURNS = {
    2: "mirrored left to right",
    3: "turned 180 degrees",
    4: "flipped top to bottom",
    5: "mirrored at the diagonal from top left",
    6: "turned 90 degrees clockwise",
    7: "mirrored at the diagonal from top right",
    8: "turned 90 degrees counterclockwise",
}
_DEEP = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, OverflowError, Image.DecompressionBombError)


@cache
def _formats() -> tuple[str, ...]:
    """Return those of `FORMATS` that this Pillow supports; turns off Pillow's warning of large images."""
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # `opened` refuses by its own limit
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


@contextmanager
def opened(file: Path | BinaryIO, name: object = None) -> Iterator[Image.Image]:
    """Open an image file of a known format; only its head is read. name: for messages, instead of `file`.

    Raises DataError, with the file's name, if it is missing (`MissingFile`), not an image, or has more than
    `MAX_PIXELS`; also for errors of the image inside the block.
    """
    name = file if name is None else name
    try:
        with Image.open(file, formats=_formats()) as image:
            if image.width * image.height > MAX_PIXELS:
                raise DataError(
                    f"{name}: {image.width}x{image.height} pixels, more than {MAX_PIXELS // 10**6} million",
                    code="too-many-pixels",
                )
            yield image
    except (FileNotFoundError, NotADirectoryError):
        raise MissingFile(f"{name}: no such file") from None
    except Image.UnidentifiedImageError:
        raise DataError(
            f"{name}: not a readable image (none of {', '.join(_formats())})", code="unreadable-image"
        ) from None
    except _UNREADABLE as error:
        reason = first_line(error)
        raise DataError(f"{name}: not a readable image ({reason})", code="unreadable-image") from None
    except MemoryError:  # Pillow raises it for overlong rows, too
        bytearray(4 * image.width * image.height)  # raises again if the machine is out of memory
        raise DataError(
            f"{name}: not a readable image (no memory for its {image.width}x{image.height} pixels)",
            code="unreadable-image",
        ) from None


def read_rgb(file: Path | BinaryIO, stored: bool = False) -> np.ndarray:
    """Return an image file as RGB uint8 ``(H, W, 3)``, with EXIF rotation applied and transparent parts on white.

    Grayscale is repeated in the three channels; color profiles (ICC) are not applied.
    stored: return the stored pixels, neither rotated nor blended, like the demo scripts of the field.
    Raises DataError, with the file's name, if it is missing, truncated, not an image, or has more than 8 bits per
    channel or more than `MAX_PIXELS`.
    """
    with opened(file) as image:
        tiles = getattr(image, "tile", ())
        if image.mode in _DEEP or any(";16" in str(tile[3]) for tile in tiles):  # Pillow would truncate 16-bit RGB
            raise DataError(
                f"{file}: more than 8 bits per channel (mode {image.mode}); save it with 8 bits", code="too-many-bits"
            )
        if stored:
            return np.array(image.convert("RGB"))
        image = ImageOps.exif_transpose(image)
        if not image.has_transparency_data:
            return np.array(image.convert("RGB"))
        return on_white(np.asarray(image.convert("RGBA")))


def on_white(image: np.ndarray) -> np.ndarray:
    """Blend RGBA uint8 ``(H, W, 4)``, not premultiplied, onto white; return RGB ``(H, W, 3)``."""
    if image[..., 3].min(initial=255) == 255:
        return np.ascontiguousarray(image[..., :3])
    alpha = image[..., 3:].astype(np.uint16)
    blended = image[..., :3] * alpha + 255 * (255 - alpha)  # at most 255 * 255, which fits
    return ((blended + 127) // 255).astype(np.uint8)


def facts(image: Image.Image) -> dict[str, str]:
    """Return the facts in an image's head that affect `read_rgb`, for the manifest; plain images have none."""
    found = {}
    if (orientation := _orientation(image)) in _TURNS:
        found["orientation"] = _TURNS[orientation]
    if image.has_transparency_data:
        found["transparency"] = "alpha channel"
    if image.mode == "CMYK":
        found["colors"] = "CMYK, converted without a profile"
    if "icc_profile" in image.info:
        found["profile"] = "ICC, not applied"
    if getattr(image, "n_frames", 1) > 1:
        found["moving"] = "first of several pictures"
    return found


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Return (height, width) of an opened image after EXIF rotation."""
    on_its_side = _orientation(image) in (5, 6, 7, 8)
    return (image.width, image.height) if on_its_side else (image.height, image.width)


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation; 1 if it cannot be read, as in a truncated PNG file, which has it at the end."""
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except _UNREADABLE:
        return 1


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize RGB uint8 ``(H, W, 3)`` to ``(height, width, 3)`` with Pillow's Lanczos filter, antialiased.

    Pillow computes it in fixed-point integers, so the result is the same on every machine.
    """
    if image.shape[:2] == (height, width):
        return image
    return np.array(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS))
