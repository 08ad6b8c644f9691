"""The person's video for models driven by sound: its frames, played back and forth for the length of the sound."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from baselines.levels import array_from_levels
from bench.animate.crop import Crop
from bench.animate.input import Driving, fit
from protocols.errors import DataError
from protocols.template import back_and_forth

HELD = 1 << 26  # bytes of decoded frames in a segment; two segments are kept in memory
LONGEST = 64  # frames of a segment

Frame = np.ndarray | DataError


class Template:
    """Frames of a video in the order in which they are played.

    crop: from `crop.settle`; None for whole frames. size: to which cropped frames are resized.
    """

    def __init__(self, video: Driving, path: Path, count: int, crop: Crop | None, size: int) -> None:
        """Prepare the frames. count: number of frames to play."""
        self._video, self._path, self._crop, self._size = video, path, crop, size
        self.numbers = back_and_forth(len(video.times), count)
        self._segment = 1
        self._held: dict[int, list[Frame]] = {}

    @property
    def rate(self) -> Fraction:
        """Return the average frames per second."""
        return self._video.rate

    def frame(self, position: int) -> Frame:
        """Return the frame at a position, float32 ``(H, W, 3)`` in [0, 1], or its error.

        Whole segments are decoded forward, since a decoder cannot go back frame by frame.
        """
        number = self.numbers[position]
        segment, place = divmod(number, self._segment)
        if segment not in self._held:
            self._held = dict(list(self._held.items())[-1:])  # before the next one takes memory
            self._held[segment] = self._decoded(segment)
        return self._held[segment][place]

    def learn(self) -> tuple[int, int]:
        """Decode the first frame and set the length of a segment; return (height, width). Raises DataError."""
        first = self._read(0)
        if isinstance(first, DataError):
            raise first
        self._segment, self._held = max(1, min(LONGEST, HELD // first.nbytes)), {}
        return first.shape[0], first.shape[1]

    def tensors(self) -> Iterator[Tensor]:
        """Yield the frames for a model driven by sound; an unreadable frame repeats the previous one."""
        last = torch.full((3, *self.learn()), 0.5)
        for position in range(len(self.numbers)):
            frame = self.frame(position)
            if not isinstance(frame, DataError):
                last = torch.from_numpy(frame).permute(2, 0, 1).contiguous()
            yield last.clone()

    def _decoded(self, segment: int) -> list[Frame]:
        first = segment * self._segment
        return [self._read(number) for number in range(first, min(first + self._segment, len(self._video.times)))]

    def _read(self, number: int) -> Frame:
        try:
            image = self._video.frame(number)
            if self._crop is None:
                return array_from_levels(image)
            return fit(image, self._crop, self._size, f"--template {self._path}, frame {number}")
        except DataError as error:
            return error
