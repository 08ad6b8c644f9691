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

HELD = 1 << 26  # bytes of decoded frames in a stretch; two stretches are kept
LONGEST = 64  # frames of a stretch

Frame = np.ndarray | DataError


class Template:
    """Frames of a video in the order in which they are played.

    crop: from `crop.settle`; None for whole frames. size: to which cropped frames are resized.
    """

    def __init__(self, video: Driving, path: Path, count: int, crop: Crop | None, size: int) -> None:
        """count: number of frames to play."""
        self._video, self._path, self._crop, self._size = video, path, crop, size
        self.numbers = back_and_forth(len(video.times), count)
        self._stretch = 1
        self._held: dict[int, list[Frame]] = {}

    @property
    def rate(self) -> Fraction:
        """Average frames per second."""
        return self._video.rate

    def frame(self, position: int) -> Frame:
        """Return the frame at a position, float32 ``(H, W, 3)`` in [0, 1], or its error.

        Whole stretches are decoded forward, since a decoder cannot go back frame by frame.
        """
        number = self.numbers[position]
        stretch, place = divmod(number, self._stretch)
        if stretch not in self._held:
            self._held = dict(list(self._held.items())[-1:])  # before the next one takes memory
            self._held[stretch] = self._decoded(stretch)
        return self._held[stretch][place]

    def learn(self) -> tuple[int, int]:
        """Decode the first frame and set the length of a stretch; return (height, width). Raises DataError."""
        first = self._read(0)
        if isinstance(first, DataError):
            raise first
        self._stretch, self._held = max(1, min(LONGEST, HELD // first.nbytes)), {}
        return first.shape[0], first.shape[1]

    def tensors(self) -> Iterator[Tensor]:
        """Yield the frames for a model driven by sound; an unreadable frame repeats the previous one."""
        last = torch.full((3, *self.learn()), 0.5)
        for position in range(len(self.numbers)):
            frame = self.frame(position)
            if not isinstance(frame, DataError):
                last = torch.from_numpy(frame).permute(2, 0, 1).contiguous()
            yield last.clone()

    def _decoded(self, stretch: int) -> list[Frame]:
        first = stretch * self._stretch
        return [self._read(number) for number in range(first, min(first + self._stretch, len(self._video.times)))]

    def _read(self, number: int) -> Frame:
        try:
            image = self._video.frame(number)
            if self._crop is None:
                return array_from_levels(image)
            return fit(image, self._crop, self._size, f"--template {self._path}, frame {number}")
        except DataError as error:
            return error
