"""Moving WebP pictures as videos; FFmpeg cannot read them."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from protocols import files
from protocols.errors import DataError, unreadable
from protocols.images import on_white, opened
from protocols.video import Video
from protocols.video_index import Index

_USUAL = 100  # milliseconds of a picture that states none, as in browsers


class MovingPicture:
    """A WebP file as a `protocols.video.Video`: the same members, with the same meaning; a still one has one frame."""

    time_base, start, index, has_sound = Fraction(1, 1000), Fraction(0), None, False

    def __init__(self, source: Path | BinaryIO):
        """Open the file. Raises DataError if it cannot be read."""
        self._source = source
        try:
            content = files.content(source) if isinstance(source, Path) else source.read()
        except OSError as error:
            raise unreadable(source, error) from None
        self.times: list[int] = []
        self.end = 0
        with opened(io.BytesIO(content), source) as image:
            self.size = image.height, image.width
            for number in range(getattr(image, "n_frames", 1)):
                image.seek(number)
                image.load()  # only decoding tells how long the picture is shown
                self.times.append(self.end)
                self.end += image.info.get("duration") or _USUAL
        self._image = Image.open(io.BytesIO(content), formats=["WEBP"])

    def __len__(self) -> int:
        return len(self.times)

    @property
    def rate(self) -> Fraction:
        """Return the average number of pictures per second."""
        return Fraction(1000 * len(self), self.end)

    @property
    def facts(self) -> dict[str, str]:
        """Return how it is read, for the manifest."""
        self._image.seek(0)
        alpha = np.asarray(self._image.convert("RGBA"))[..., 3]
        return {"transparency": "shown on white"} if alpha.min() < 255 else {}

    def frame(self, number: int) -> np.ndarray:
        """Return picture `number`, RGB uint8 ``(H, W, 3)``. Raises DataError if it does not exist or is damaged."""
        if not 0 <= number < len(self):
            raise DataError(f"{self._source}: no frame {number}; the file has {len(self)} frames", code="unknown-frame")
        try:
            self._image.seek(number)
            return on_white(np.asarray(self._image.convert("RGBA")))
        except (OSError, ValueError, EOFError) as error:
            raise DataError(
                f"{self._source}: frame {number} cannot be decoded ({error})", code="damaged-frame"
            ) from None

    def close(self) -> None:
        """Release the file."""
        self._image.close()


def open_video(source: Path, rate: Fraction | None = None, index: Index | None = None) -> Video | MovingPicture:
    """Return the video or moving picture in a file; `rate` and `index` as in `Video`. Raises DataError."""
    try:
        with open(source, "rb") as file:
            head = file.read(12)
    except OSError:
        head = b""  # `Video` raises the error
    if head[:4] == b"RIFF" and head[8:] == b"WEBP":
        return MovingPicture(source)
    return Video(source, rate, index)
