"""What a metric needs beyond frames and a detector: the weights of a network that it runs itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path


class Requirement(ABC):
    """Weights that a metric names; they know where they lie and how they can be missing.

    kind: requirements of one kind take each other's place, as detectors of one kind do. name: among them.
    proxy: True for embedded weights in place of a paper's own.
    """

    kind: str
    name: str
    proxy: bool

    @abstractmethod
    def file(self, weights: Path | None) -> Path | None:
        """Find the weight file; None where it is not on this machine. weights: the weights folder, or None."""

    @abstractmethod
    def missing(self, weights: Path | None) -> list[str]:
        """Name what keeps the metric from being computed, in words; empty where nothing does."""
