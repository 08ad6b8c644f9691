"""Requirements of a metric besides frames and a detector: the weights of a network that it runs itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path


class Requirement(ABC):
    """Weights that a metric needs.

    kind: requirements of one kind replace each other, like detectors of one kind. name: within the kind.
    proxy: True for embedded weights instead of a paper's own.
    """

    kind: str
    name: str
    proxy: bool

    @abstractmethod
    def file(self, weights: Path | None) -> Path | None:
        """Find the weight file; None if it is missing. weights: the weights folder, or None."""

    @abstractmethod
    def missing(self, weights: Path | None) -> list[str]:
        """Return what is missing for the metric, as text; empty if nothing is."""
