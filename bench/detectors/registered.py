"""Detectors that installed packages register: an entry point is called as the kind of what it detects.

It names a callable of ``device`` (text) and ``weights`` (the weights folder, or None) that returns a `Detector`. Worker
processes get it pickled, so its class has to be importable.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from baselines.code import Code, of_registered
from bench.detectors.base import Detection, Detector
from protocols import plugins
from protocols.errors import BenchError

_DIGITS = 12


class Registered(Detector):
    """A package's detector; its signature, under which detections are kept, carries the hash of the package's code."""

    def __init__(self, detector: Detector, digest: str) -> None:
        self.detector, self.kind, self.name, self.proxy = detector, detector.kind, detector.name, detector.proxy
        self.shape = tuple(detector.shape)
        self._signature = f"{detector.signature};code:{digest}"

    @property
    def signature(self) -> str:
        return self._signature

    def detect(self, frames: np.ndarray) -> list[Detection]:
        return self.detector.detect(frames)


def kinds() -> list[str]:
    """The kinds that packages register; nothing of them is imported."""
    return list(plugins.registered("detector"))


def make(kind: str, weights: Path | None, device: str, built_in: Collection[str]) -> Registered:
    """The detector of a kind of `kinds`.

    built_in: kinds that are this program's own. Raises PluginError for one that is broken, or whose name is taken.
    """
    plugin = plugins.find("detector", kind, built_in)
    if plugin is None:
        raise KeyError(kind)
    made = plugin.load()
    try:
        detector = made(device=device, weights=weights)
    except BenchError:
        raise
    except Exception as error:  # foreign code may fail in any way
        raise plugin.failed(error) from error
    if not isinstance(detector, Detector):
        raise plugin.refused(f"it gave a {type(detector).__name__}, not a Detector (bench.detectors.base)")
    for fact in ("kind", "name", "proxy", "shape"):
        if not hasattr(detector, fact):
            raise plugin.refused(f"the detector has no {fact}")
    if detector.kind != kind:
        raise plugin.refused(f"the detector is of the kind {detector.kind}, not {kind}")
    return Registered(detector, of_registered(plugin).sha256[:_DIGITS])


def code(kind: str) -> Code | None:
    """The code of the detector of a kind; None for this program's own."""
    return of_registered(plugins.registered("detector")[kind][0]) if kind in kinds() else None


def package(kind: str) -> str:
    """Name and version of the package that registers a kind."""
    return plugins.registered("detector")[kind][0].package
