"""Cache of a metric network's features of reference frames: all models of a run are compared with the same ones."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable

from torch import Tensor

BUDGET = 1 << 30  # bytes


class References:
    """Features keyed by an image's content, up to `budget` bytes; when full, new features are not stored.

    Nothing is evicted: models read the references in the same order, so the latest ones would be evicted before their
    next use.
    """

    def __init__(self, budget: int = BUDGET) -> None:
        self.budget, self.size = budget, 0
        self._lock = threading.Lock()
        self._kept: dict[bytes, list[Tensor]] = {}

    def features(self, image: Tensor, compute: Callable[[Tensor], list[Tensor]]) -> list[Tensor]:
        """Return ``compute(image)``, cached; callers must not write into it. image: on the CPU."""
        key = hashlib.blake2b(image.numpy().data, digest_size=16).digest() + bytes(str(image.shape), "ascii")
        if (known := self._kept.get(key)) is not None:
            return known
        made = compute(image)
        size = sum(one.nbytes for one in made)
        with self._lock:
            if key not in self._kept and self.size + size <= self.budget:
                self._kept[key] = made
                self.size += size
        return made
