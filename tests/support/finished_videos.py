"""Small videos as models write them, lossless, whose frames say which they are (`support.numbered`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageFilter

from support import numbered

RATE = 25
SIZE = (48, 64)


def frames(numbers: Iterable[int], size: tuple[int, int] = SIZE) -> list[np.ndarray]:
    """Pictures of these numbers, uint8 ``(height, width, 3)``."""
    return [numbered.picture(number, *size) for number in numbers]


def blurred(pictures: Sequence[np.ndarray], radius: float = 1.5) -> list[np.ndarray]:
    """The same out of focus."""
    return [np.asarray(Image.fromarray(one).filter(ImageFilter.GaussianBlur(radius))) for one in pictures]


def write(file: Path, pictures: Sequence[np.ndarray], rate: int = RATE, sound: np.ndarray | None = None) -> Path:
    """A Matroska video whose frames are read as they are given. sound: int16 ``(1, n)`` at 16 kHz."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(file), "w") as output:
        stream = output.add_stream("ffv1", rate=rate)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "bgr0"
        heard = None if sound is None else output.add_stream("pcm_s16le", rate=16000, layout="mono")
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="bgr0")
            frame.pts, frame.time_base = number, Fraction(1, rate)
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
        if heard is not None:
            assert sound is not None
            part = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound), format="s16", layout="mono")
            part.sample_rate, part.pts, part.time_base = 16000, 0, Fraction(1, 16000)
            output.mux(heard.encode(part))
            output.mux(heard.encode())
    return file
