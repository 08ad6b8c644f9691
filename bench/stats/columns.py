"""Columns of values, and differences of two columns, most of which are never stored.

M models have M (M - 1) / 2 differences. The weighted sum of a difference is the difference of the weighted sums of its
columns, so the matrix products of many resamples grow with M.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

WIDE = 64  # columns computed at a time
# A difference this many times smaller than its columns is computed itself, since the rounding of their products would
# affect it.
FAR = 1000


class Columns:
    """C columns: of `values` ``(N, V)``, or differences of two of them, not finite where either is not.

    picks: per column ``(a, b)`` for column a - b of `values`, or ``(a, None)`` for column a; by default all of
        `values`.
    """

    def __init__(self, values: np.ndarray, picks: Sequence[tuple[int, int | None]] | None = None) -> None:
        self.values = np.asfortranarray(values, dtype=np.float64)
        self.picks = [(place, None) for place in range(values.shape[1])] if picks is None else list(picks)
        finite = np.isfinite(self.values)
        filled = np.where(finite, self.values, 0.0)
        sizes = np.abs(filled).sum(0)
        made: list[np.ndarray] = []
        self._plus: list[int] = []
        self._minus: list[int | None] = []
        for a, b in self.picks:
            far = b is not None and sizes[a] + sizes[b] > FAR * np.abs(filled[:, a] - filled[:, b]).sum()
            if far or (b is not None and not np.array_equal(finite[:, a], finite[:, b])):
                a, b = filled.shape[1] + len(made), None
                made.append(self._column(len(self._plus)))
            self._plus.append(a)
            self._minus.append(b)
        if made:
            own = np.stack(made, axis=1)
            finite = np.concatenate((finite, np.isfinite(own)), axis=1)
            filled = np.concatenate((filled, np.where(np.isfinite(own), own, 0.0)), axis=1)
        self._filled = filled
        masks, of_filled = np.unique(finite, axis=1, return_inverse=True)  # few differ, which saves most products
        self._masks, self._of_filled = masks.astype(np.float64), of_filled.ravel()

    @classmethod
    def of(cls, values: np.ndarray | Columns) -> Columns:
        """Return the columns of an array ``(N, C)``."""
        return values if isinstance(values, Columns) else cls(values)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.values), len(self.picks)

    def parts(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield some columns at a time ``(N, c)``, and their positions among all."""
        for start in range(0, len(self.picks), WIDE):
            places = slice(start, min(start + WIDE, len(self.picks)))
            yield places, np.stack([self._column(place) for place in range(len(self.picks))[places]], axis=1)

    def sums(self, weights: np.ndarray) -> np.ndarray:
        """Return the sums ``(r, C)`` of the finite values by weights ``(r, N)``."""
        products = weights @ self._filled
        found = products[:, self._plus]
        taken_off = {place: b for place, b in enumerate(self._minus) if b is not None}
        found[:, list(taken_off)] -= products[:, list(taken_off.values())]
        return found

    def weights(self, weights: np.ndarray) -> np.ndarray:
        """Return the sums ``(r, C)`` of the weights ``(r, N)`` of the finite values."""
        return (weights @ self._masks)[:, self._of_filled[self._plus]]

    def _column(self, place: int) -> np.ndarray:
        a, b = self.picks[place]
        if b is None:
            return self.values[:, a]
        with np.errstate(invalid="ignore"):
            return self.values[:, a] - self.values[:, b]
