"""Detectors of installed packages, registered by an entry point with the name of their kind.

The entry point is a callable of ``device`` (text) and ``weights`` (the weights folder, or None) that returns a
`Detector`. It is pickled for worker processes, so its class must be importable.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from baselines.code import Code, of_registered
from bench.detectors.base import Detection, Detector
from protocols import plugins
from protocols.errors import BenchError, typed_line

_DIGITS = 12


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value.strip() != "" and value.isprintable()


def _is_shape(value: object) -> bool:
    return isinstance(value, (tuple, list)) and all(type(side) is int and side >= 1 for side in value)


# A detector's attributes: the check of a value, and a description of valid ones.
FACTS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "kind": (_is_text, "a line of text"),
    "name": (_is_text, "a line of text"),
    "proxy": (lambda value: isinstance(value, bool), "True or False"),
    "shape": (_is_shape, "whole numbers from 1, as in (68, 2)"),
    "signature": (_is_text, "a line of text"),
}


class Registered(Detector):
    """A package's detector; its signature, the key of the cache, includes the hash of the package's code."""

    def __init__(self, detector: Detector, digest: str) -> None:
        self.detector, self.kind, self.name, self.proxy = detector, detector.kind, detector.name, detector.proxy
        self.shape = tuple(detector.shape)
        self._signature = f"{detector.signature};code:{digest}"

    @property
    def signature(self) -> str:
        return self._signature

    def detect(self, frames: np.ndarray) -> list[Detection]:
        """Detect like `Detector.detect`. Raises ValueError for invalid values, so that the frame counts as failed.

        The detector receives a copy of the frames, so that it cannot change the originals.
        """
        try:
            return [self._checked(one) for one in self.detector.detect(frames.copy())]
        except SystemExit as error:
            raise ValueError(typed_line(error)) from error

    def _checked(self, found: Detection) -> Detection:
        if not isinstance(found, Detection):
            raise ValueError(f"it returned a {type(found).__name__}, not a Detection")
        if found.values is None:
            return replace(found, reason=str(found.reason or "nothing found"))
        values = np.asarray(found.values)
        if values.shape != self.shape or values.dtype.kind not in "fiub":
            raise ValueError(f"it returned {values.dtype} of shape {values.shape}, not numbers of shape {self.shape}")
        return replace(found, values=values.astype(np.float64), reason=None)


def kinds() -> list[str]:
    """Return the kinds that packages register, without importing them."""
    return list(plugins.registered("detector"))


def make(kind: str, weights: Path | None, device: str, built_in: Collection[str]) -> Registered:
    """Return the detector of a kind in `kinds`.

    built_in: kinds of this program. Raises PluginError for a broken detector, or a name that is taken.
    """
    plugin = plugins.find("detector", kind, built_in)
    if plugin is None:
        raise KeyError(kind)
    made = plugin.load()
    try:
        detector = made(device=device, weights=weights)
    except BenchError:
        raise
    except plugins.FAILURES as error:  # a plug-in may raise anything
        raise plugin.failed(error) from error
    if not isinstance(detector, Detector):
        raise plugin.refused(f"it returned a {type(detector).__name__}, not a Detector (bench.detectors.base)")
    for fact, (is_it, what) in FACTS.items():
        if not hasattr(detector, fact):
            raise plugin.refused(f"the detector has no {fact}")
        if not is_it(value := getattr(detector, fact)):
            raise plugin.refused(f"the detector's {fact} is {value!r}, not {what}")
    if detector.kind != kind:
        raise plugin.refused(f"the detector is of the kind {detector.kind}, not {kind}")
    return Registered(detector, of_registered(plugin).sha256[:_DIGITS])


def code(kind: str) -> Code | None:
    """Return the code of the detector of a kind; None for this program's own."""
    return of_registered(plugins.registered("detector")[kind][0]) if kind in kinds() else None


def package(kind: str) -> str:
    """Return name and version of the package that registers a kind."""
    return plugins.registered("detector")[kind][0].package
