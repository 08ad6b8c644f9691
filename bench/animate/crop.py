"""Crops of the input pictures of `animate` and `inspect`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bench.runtime.errors import UserError
from protocols import crop
from protocols.crop import Box, Cut, FaceFinder
from protocols.errors import DataError

Crop = str | Box | Cut  # as parsed: None for the default, a word or a box; settled: center, none, a box or a face's Cut


def parse_crop(text: str | None, option: str) -> str | Box | None:
    """Parse a mode of `protocols.crop`, or a box ``x0,y0,x1,y1`` in pixels without its right and lower edge.

    Raises UserError.
    """
    if text is None or (word := crop.mode(text)):
        return None if text is None else word
    try:
        x0, y0, x1, y1 = (int(part) for part in text.split(","))
    except ValueError:
        words = ", ".join(crop.MODES)
        raise UserError(f"{option} {text}: give {words} or four integers x0,y0,x1,y1", code="bad-value") from None
    if x0 < 0 or y0 < 0 or x1 <= x0 or y1 <= y0:
        raise UserError(f"{option} {text}: needs 0 <= x0 < x1 and 0 <= y0 < y1", code="bad-value")
    return x0, y0, x1, y1


def settle(
    wanted: str | Box | None, frame: Callable[[int], np.ndarray], count: int, finder: FaceFinder
) -> tuple[Crop, Cut | None]:
    """Return the crop of one picture or video of `count` frames, and the face that was found, if it was searched.

    wanted: from `parse_crop`. frame: returns a frame by its index, RGB uint8 ``(H, W, 3)``; unreadable ones are
    skipped.
    """
    if wanted not in (None, "face"):
        return wanted, None
    frames = [image for number in crop.looks(count) if (image := _readable(frame, number)) is not None]
    if not frames:  # reported when they are read
        return "center", None
    size = frames[0].shape
    cut = crop.find((image for image in frames if image.shape == size), finder, always=wanted == "face")
    return (cut if cut.how == "face" else "center"), cut


def describe(what: str, cut: Cut | None, option: str) -> tuple[str, bool]:
    """Return a line about a searched crop, and whether it is a warning; "" if no face was searched."""
    if cut is None:
        return "", False
    if cut.how == "center":
        return f"{what}: no face found, using the central square; to choose a box, give {option} x0,y0,x1,y1", True
    if cut.how == "framed":
        return f"{what}: not cropped, the face already fills it ({option} face crops it)", False
    box, (height, width) = ",".join(map(str, cut.box)), cut.size
    line = f"{what}: cropped to the face, {box} of {width}x{height}"
    if cut.looked == 1:
        return line, False
    line += f", from {cut.faces} of {cut.looked} frames"
    return line + (f" ({cut.others} have another face)" if cut.others else ""), 2 * cut.faces < cut.looked


def cropped(image: np.ndarray, wanted: Crop, what: str) -> np.ndarray:
    """Return the crop of one frame ``(H, W, 3)``.

    Raises UserError, starting with `what`, for a box outside the frame, and DataError if the frame's size is not
    that of the frames in which the face was found.
    """
    height, width = image.shape[:2]
    if isinstance(wanted, Cut):
        if reason := wanted.misfit((height, width)):
            raise DataError(f"{what}: {reason}", code="frame-sizes-differ")
        return crop.cut(image, wanted.box)
    if isinstance(wanted, str):
        return crop.center_square(image) if wanted == "center" else image
    x0, y0, x1, y1 = wanted
    if x1 > width or y1 > height:
        raise UserError(
            f"{what}: the box {x0},{y0},{x1},{y1} is not inside the picture of {width}x{height}", code="box-outside"
        )
    return crop.cut(image, wanted)


def _readable(frame: Callable[[int], np.ndarray], number: int) -> np.ndarray | None:
    try:
        return frame(number)
    except DataError:
        return None
