"""Selection of a person's mouths for the explicit memory of MemFace (Algorithm 1 of the supplement).

The distance of two mouth shapes is the root mean square distance of their vertices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Selection:
    """The candidates in a memory, and facts of their selection.

    indices: ``(N,)`` of the candidates, by slot, in the order of the random start with replacements.
    smallest: distance of the two closest keys, in the unit of the keys; infinite for fewer than two.
    at_start: the same for the random start. accepted: number of replacements.
    requested: size; if there are fewer candidates, all are selected.
    """

    indices: np.ndarray
    smallest: float
    at_start: float
    accepted: int
    requested: int
    candidates: int
    seed: int

    def facts(self) -> dict[str, Any]:
        """Return facts for checkpoint and manifest, since the result depends on seed and order of the candidates."""
        return {
            "slots": len(self.indices),
            "slots_asked": self.requested,
            "candidates": self.candidates,
            "order": "time",
            "seed": self.seed,
            "accepted": self.accepted,
            "closest_keys": float(f"{self.smallest:.6g}") if np.isfinite(self.smallest) else None,
        }


def rms_distance(keys: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Return distances of keys ``(N, V, 3)`` from one ``(V, 3)``: root of the vertices' mean squared distance."""
    return np.sqrt(np.square(keys - key).sum(-1).mean(-1))


def select(keys: np.ndarray, count: int, seed: int) -> Selection:
    """Select `count` of the keys ``(F, V, 3)`` that differ most, by Algorithm 1; candidates in their order.

    Start with `count` random keys. Try every key as a replacement for each of the two closest, and take the better one
    if it increases the smallest distance. Costs ``F N V``, and ``N^2`` for each replacement.
    Raises ValueError for keys that are not finite or a count below 1.
    """
    if count < 1 or keys.ndim != 3 or not np.isfinite(keys).all():
        raise ValueError("a memory needs at least one slot, and finite keys (F, V, 3)")
    total = len(keys)
    if count >= total:
        held = np.arange(total)
        smallest = _Held(keys.astype(np.float64), held).smallest
        return Selection(held, smallest, smallest, 0, count, total, seed)
    state = _Held(keys.astype(np.float64), np.random.default_rng(seed).choice(total, count, replace=False))
    start, accepted = state.smallest, 0
    for candidate in range(total):
        accepted += state.offer(candidate)
    return Selection(state.indices, state.smallest, start, accepted, count, total, seed)


class _Held:
    """The selected keys, their distances, the two closest, and the smallest distance without either."""

    def __init__(self, keys: np.ndarray, indices: np.ndarray):
        self.keys, self.indices = keys, indices.copy()
        held = keys[indices]
        self.distances = np.stack([rms_distance(held, key) for key in held])
        np.fill_diagonal(self.distances, np.inf)
        self._look()

    def _look(self) -> None:
        rows = self.distances.min(1)
        first = int(rows.argmin())
        self.closest = (first, int(self.distances[first].argmin()))
        self.smallest = float(rows[first])
        self.rest = [self._without(slot, rows) for slot in self.closest]

    def _without(self, slot: int, rows: np.ndarray) -> float:
        """Return the smallest distance without a slot; searches only rows with that slot as the nearest key."""
        kept = np.delete(rows, slot)
        others = np.delete(self.distances, slot, 0)
        touched = np.flatnonzero(others[:, slot] <= kept)
        if len(touched):
            kept[touched] = np.delete(others[touched], slot, 1).min(1, initial=np.inf)
        return float(kept.min(initial=np.inf))

    def offer(self, candidate: int) -> bool:
        """Replace one of the two closest by a candidate, if that increases the smallest distance; return whether."""
        if len(self.indices) < 2:
            return False
        away = rms_distance(self.keys[self.indices], self.keys[candidate])
        outcomes = []
        for slot, rest in zip(self.closest, self.rest):
            to_others = np.delete(away, slot)
            outcomes.append(min(rest, float(to_others.min())))
        if max(outcomes) <= self.smallest:
            return False
        slot = self.closest[0] if outcomes[0] > outcomes[1] else self.closest[1]
        away[slot] = np.inf
        self.indices[slot] = candidate
        self.distances[slot], self.distances[:, slot] = away, away
        self._look()
        return True
