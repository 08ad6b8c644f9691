"""Frames at whatever times to frames on an even clock: at k / 25 s the nearest one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

_SAME = 1e-6  # seconds; times closer than that to the middle between two frames count as the middle


class EvenClock:
    """Gives the nearest frame of a clip at every tick; the earlier of two that are as near.

    The clip lasts as long after its last frame as that came after the one before; a clip of one frame has one tick.
    """

    def __init__(self, rate: float = 25.0) -> None:
        """`rate`: ticks a second."""
        self._rate, self._tick, self._seen = rate, 0, 0
        self._last: tuple[np.ndarray, float] | None = None
        self._step = 1 / rate

    def add(self, frames: np.ndarray, times: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Take the clip's next frames ``(n, H, W, 3)`` and their times ``(n,)``; give (its number, frame) of each tick.

        A frame that is nearest to several ticks comes as often, with its number in the clip.
        """
        for frame, time in zip(frames, times):
            while (at := self._tick / self._rate) <= time + _SAME:
                earlier = self._last is not None and at - self._last[1] <= time - at + _SAME
                yield (self._seen - 1, self._last[0]) if earlier and self._last else (self._seen, frame)
                self._tick += 1
            if self._last is not None:
                self._step = float(time) - self._last[1]
            self._last = frame.copy(), float(time)  # whoever calls may use the array again
            self._seen += 1

    def finish(self) -> Iterator[tuple[int, np.ndarray]]:
        """Give the ticks until the clip's end."""
        while self._last is not None and self._tick / self._rate < self._last[1] + self._step - _SAME:
            yield self._seen - 1, self._last[0]
            self._tick += 1
