"""Resample frames with arbitrary times to an even clock: the nearest frame at k / 25 s."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

_SAME = 1e-6  # seconds; times this close to the middle between two frames count as the middle


class EvenClock:
    """Returns the nearest frame of a clip at every tick, the earlier one of a tie.

    The last frame lasts as long as the one before; a clip of one frame has one tick.
    """

    def __init__(self, rate: float = 25.0) -> None:
        """Create a clock. rate: ticks per second."""
        self._rate, self._tick, self._seen = rate, 0, 0
        self._last: tuple[np.ndarray, float] | None = None
        self._step = 1 / rate

    def add(self, frames: np.ndarray, times: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Add the clip's next frames ``(n, H, W, 3)`` and their times ``(n,)``; return (index, frame) of each tick.

        A frame that is nearest to several ticks is repeated, with its index in the clip.
        """
        for frame, time in zip(frames, times):
            while (at := self._tick / self._rate) <= time + _SAME:
                earlier = self._last is not None and at - self._last[1] <= time - at + _SAME
                yield (self._seen - 1, self._last[0]) if earlier and self._last else (self._seen, frame)
                self._tick += 1
            if self._last is not None:
                self._step = float(time) - self._last[1]
            self._last = frame.copy(), float(time)  # the caller may reuse the array
            self._seen += 1

    def finish(self) -> Iterator[tuple[int, np.ndarray]]:
        """Return the remaining ticks until the clip's end."""
        while self._last is not None and self._tick / self._rate < self._last[1] + self._step - _SAME:
            yield self._seen - 1, self._last[0]
            self._tick += 1
