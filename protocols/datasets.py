"""Data sets as they lie on researchers' disks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from protocols.errors import DataError
from protocols.images import read_rgb
from protocols.pairs import FrameRef


class Dataset:
    """Folders of frames: ``<root>/<clip>/<frame><suffix>``.

    name: what FrameRefs and ``--data NAME=PATH`` call it.
    root: the folder; it need not exist until frames are asked for.
    suffix: of the image files.
    """

    suffix = ".png"

    def __init__(self, name: str, root: Path):
        self.name = name
        self.root = root

    def clips(self, split: str | None = None) -> list[str]:
        """All clips, sorted; those of one split (``train``, ``test``) where it is given."""
        raise NotImplementedError

    def frames(self, clip: str) -> list[str]:
        """The frame names of a clip, in order of time."""
        return sorted(file.stem for file in (self.root / clip).glob(f"*{self.suffix}"))

    def identity(self, clip: str) -> str:
        """Who is seen in a clip."""
        raise NotImplementedError

    def path(self, ref: FrameRef) -> Path:
        """The file of a frame."""
        return self.root / ref.clip / f"{ref.frame}{self.suffix}"

    def frame(self, ref: FrameRef) -> np.ndarray:
        """One frame, RGB uint8 ``(H, W, 3)``. Raises DataError where it is missing or cannot be read."""
        return read_rgb(self.path(ref))

    def missing(self, refs: Iterable[FrameRef]) -> list[FrameRef]:
        """Those of `refs` that are not there, in order, each once."""
        return [ref for ref in dict.fromkeys(refs) if not self.path(ref).is_file()]


__all__ = ["DataError", "Dataset"]
