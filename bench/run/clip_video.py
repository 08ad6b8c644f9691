"""Encode a model's frames of a clip as a small video, which is stored until the report is written."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from protocols.pairs import Pair
from protocols.video_writing import add_video, to_yuv

SIDE = 256  # pixels of a picture's longer side, at most
_CODEC = "libx264", {"crf": "15", "preset": "superfast", "threads": "1"}
_STEP = Fraction(1, 25)  # of one frame's time stamp, which is only its number


class ClipVideo:
    """Encode the frames of one clip, in order, as an mp4 file for internal use.

    positions: pair ids to positions in the clip. The time stamps of the video are these positions: a frame that
    failed is a gap.
    """

    def __init__(self, positions: Mapping[str, int]) -> None:
        self._positions = positions
        self._sink = io.BytesIO()
        self._output: av.container.OutputContainer | None = None
        self._stream: av.VideoStream | None = None

    def add(self, pairs: Sequence[Pair], frames: np.ndarray) -> None:
        """Add the next generated frames, uint8 ``(n, H, W, 3)``, one per pair."""
        for pair, image in zip(pairs, frames):
            size = fitting(image.shape[0], image.shape[1])
            if self._stream is None or self._output is None:
                self._output = av.open(self._sink, "w", format="mp4")
                self._stream = add_video(self._output, *_CODEC, size, 1 / _STEP, _STEP)
            frame = to_yuv(image, size)
            frame.pts, frame.time_base = self._positions[pair.id], _STEP
            self._output.mux(self._stream.encode(frame))

    def finish(self) -> bytes:
        """Return the whole file; empty without frames."""
        if self._stream is None or self._output is None:
            return b""
        self._output.mux(self._stream.encode(None))
        self._output.close()
        return self._sink.getvalue()


def read(file: Path) -> Iterator[tuple[int, av.VideoFrame]]:
    """Yield the frames of such a file with their positions in the clip, in order."""
    with av.open(str(file)) as container:
        for frame in container.decode(video=0):
            assert frame.pts is not None and frame.time_base is not None  # of every frame, from `ClipVideo`
            yield round(frame.pts * frame.time_base / _STEP), frame


def fitting(height: int, width: int, side: int = SIDE) -> tuple[int, int]:
    """Return the even (height, width) of the largest picture of these proportions within `side`, not enlarged."""
    scale = min(1.0, side / max(height, width))
    return max(2, 2 * round(height * scale / 2)), max(2, 2 * round(width * scale / 2))
