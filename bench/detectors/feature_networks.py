"""The feature networks of set metrics, as detectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from bench.detectors.base import Detection, Detector
from bench.detectors.networks import embedded, published
from bench.detectors.networks.base import FeatureNetwork


class Network(Protocol):
    """Computes one row of numbers from a frame, or from a window of frames."""

    name: str
    width: int

    @property
    def signature(self) -> str:
        """Return one line with everything that changes the numbers."""

    def features(self, frames: np.ndarray) -> np.ndarray:
        """Return float32 ``(N, width)`` of uint8 RGB ``(N, H, W, 3)``, or of windows ``(N, T, H, W, 3)``."""


@dataclass(frozen=True)
class Entry:
    """A feature network.

    make: builds it from the weights folder, or None, and a torch device. missing: returns what is missing, as text,
    given the weights folder; empty if nothing is. proxy: True if it replaces the papers' own.
    """

    make: Callable[[Path | None, str], Network]
    missing: Callable[[Path | None], Sequence[str]]
    proxy: bool


class FeatureDetector(Detector):
    """A feature network as a detector, so that its features are cached and computed in workers."""

    def __init__(self, kind: str, network: Network, proxy: bool) -> None:
        self.kind, self.name, self.proxy = kind, network.name, proxy
        self.shape = (network.width,)
        self._network = network

    @property
    def signature(self) -> str:
        return self._network.signature

    def detect(self, frames: np.ndarray) -> list[Detection]:
        if not len(frames):
            return []
        return [Detection(row.astype(np.float64)) for row in self._network.features(frames)]


_CLASSES: tuple[type[FeatureNetwork], ...] = (
    published.InceptionTfLegacy,
    published.InceptionClean,
    published.InceptionTorch,
    published.I3DFeatures,
    embedded.EfficientNet,
    embedded.EfficientNetMotion,
    embedded.ShiftTolerantVgg,
)
# By kind.
NETWORKS: Mapping[str, Entry] = {
    f"features-{network.name}": Entry(network, network.missing, network.proxy) for network in _CLASSES
}


def make(kind: str, weights: Path | None, device: str) -> FeatureDetector:
    """Make the detector of a kind."""
    entry = NETWORKS[kind]
    return FeatureDetector(kind, entry.make(weights, device), entry.proxy)
