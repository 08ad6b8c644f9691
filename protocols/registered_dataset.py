"""Checks of the values that data set classes of installed packages return, so that mistakes are reported early."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from protocols.datasets import Dataset
from protocols.pairs import FrameRef
from protocols.plugins import Plugin


def checked(opens: type[Dataset], plugin: Plugin) -> type[Dataset]:
    """Return a class that checks its results: one of another type than in `Dataset` raises PluginError."""
    return type(opens.__name__, (_Checked, opens), {"plugin": plugin, "__module__": opens.__module__})


class _Checked(Dataset):
    plugin: Plugin

    def clips(self, split: str | None = None) -> list[str]:
        return self._names("clips", super().clips(split))

    def splits(self) -> list[str]:
        return self._names("splits", super().splits())

    def left_out(self) -> list[str]:
        return self._names("left_out", super().left_out())

    def frames(self, clip: str) -> list[str]:
        return self._names("frames", super().frames(clip))

    def identity(self, clip: str) -> str:
        if not isinstance(found := super().identity(clip), str) or not found:
            raise self._wrong("identity", found, "a name")
        return found

    def path(self, ref: FrameRef) -> Path:
        if not isinstance(found := super().path(ref), Path):
            raise self._wrong("path", found, "a Path")
        return found

    def size(self, ref: FrameRef) -> tuple[int, int]:
        found = super().size(ref)
        if not isinstance(found, (tuple, list)) or [type(side) for side in found] != [int, int]:
            raise self._wrong("size", found, "(height, width)")
        return found[0], found[1]

    def missing(self, refs: Iterable[FrameRef]) -> list[FrameRef]:
        found = super().missing(refs)
        if not isinstance(found, list) or not all(isinstance(one, FrameRef) for one in found):
            raise self._wrong("missing", found, "a list of FrameRefs")
        return found

    def original(self, ref: FrameRef) -> np.ndarray:
        return self._image("original", super().original(ref), None)

    def frame(self, ref: FrameRef, size: int | None = None) -> np.ndarray:
        return self._image("frame", super().frame(ref, size), size)

    def _names(self, method: str, found: object) -> list[str]:
        if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
            raise self._wrong(method, found, "a list of texts")
        if len({*found}) < len(found):
            raise self._wrong(method, found, "each once")
        return found

    def _image(self, method: str, found: object, size: int | None) -> np.ndarray:
        if not isinstance(found, np.ndarray):
            raise self._wrong(method, found, "an array")
        if found.dtype != np.uint8 or found.ndim != 3 or found.shape[2] != 3 or size not in (None, *found.shape[:1]):
            raise self.plugin.refused(f"{method}() returned {found.dtype} {found.shape}, not uint8 (height, width, 3)")
        if size is not None and found.shape[1] != size:
            raise self.plugin.refused(
                f"{method}() returned {found.shape[1]}x{found.shape[0]} pixels, not {size}x{size}"
            )
        return found

    def _wrong(self, method: str, found: object, wanted: str) -> Exception:
        return self.plugin.refused(f"{method}() returned {str(found)[:80]!r}, a {type(found).__name__}, not {wanted}")
