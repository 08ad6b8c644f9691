"""Random numbers that are the same with every version of NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


class Draws:
    """Draw from PCG64's raw 64-bit stream, which NumPy guarantees to be stable, unlike the methods of ``Generator``.

    seed: non-negative. purpose: separates the streams of different uses of one seed.
    """

    def __init__(self, seed: int, purpose: str):
        self._bits = np.random.PCG64(np.random.SeedSequence([seed, *purpose.encode()]))

    def uniform(self, low: float, high: float) -> float:
        """Return a number in [low, high), from 53 random bits."""
        return low + (high - low) * ((int(self._bits.random_raw()) >> 11) * 2.0**-53)

    def below(self, n: int) -> int:
        """Return a whole number in [0, n), all equally likely."""
        limit = (1 << 64) // n * n
        while (value := int(self._bits.random_raw())) >= limit:
            pass
        return value % n

    def one(self, items: Sequence[T]) -> T:
        """Return one of `items`."""
        return items[self.below(len(items))]

    def some(self, items: Sequence[T], k: int) -> list[T]:
        """Return `k` different ones of `items`, in the order drawn."""
        left = list(items)
        for position in range(k):
            other = position + self.below(len(left) - position)
            left[position], left[other] = left[other], left[position]
        return left[:k]
