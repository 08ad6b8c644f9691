"""The feature networks of set metrics: one row of numbers per frame, or per window of frames."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench.detectors.blocks import Blocks
from bench.runtime.errors import UserError
from protocols.files import short_hash


class FeatureNetwork(ABC):
    """A network with one resize method.

    name: short name. width: length of a row. length: frames per row; windows of several frames do not overlap.
    settings: everything except the weights that changes the numbers, for the signature. proxy: True if it replaces the
    papers' own.
    """

    name: str
    width: int
    length: int = 1
    settings: str
    proxy: bool = False

    def __init__(self, weights: Path | None = None, device: str = "cpu") -> None:
        """Find the weights, which are read at the first use. weights: their folder. Raises UserError if missing."""
        if reasons := self.missing(weights):
            raise UserError(f"{self.name}: {', '.join(reasons)}", code="missing-weights")
        file = self.file(weights)
        assert file is not None  # checked above
        self._file, self._device = file, device
        self._blocks = Blocks(self.name)

    @classmethod
    @abstractmethod
    def file(cls, weights: Path | None) -> Path | None:
        """Find the weight file; None if it is missing."""

    @classmethod
    @abstractmethod
    def missing(cls, weights: Path | None) -> list[str]:
        """Return what is missing, as text; empty if nothing is. Opens no file."""

    @abstractmethod
    def compute(self, frames: Tensor) -> Tensor:
        """Return rows ``(N, width)`` of uint8 ``(N, H, W, 3)`` or windows ``(N, T, H, W, 3)``, on their device."""

    @cached_property
    def signature(self) -> str:
        """Return one line with everything that changes the numbers: network, version, weights, resize."""
        return f"{self.name};v:1;weights:{short_hash(self._file)};{self.settings}"

    def features(self, frames: np.ndarray | Tensor) -> np.ndarray:
        """Return float32 rows ``(N, width)`` of uint8 RGB frames ``(N, H, W, 3)``, or of windows ``(N, T, H, W, 3)``.

        Frames on the network's device stay there. Rows do not depend on each other.
        """
        if not len(frames):
            return np.empty((0, self.width), np.float32)
        given = frames if isinstance(frames, Tensor) else torch.from_numpy(np.ascontiguousarray(frames))
        return self._blocks(self.compute, given.to(self._device)).float().numpy()


def levels(frames: Tensor) -> Tensor:
    """Convert uint8 frames ``(N, H, W, 3)`` to float levels ``(N, 3, H, W)`` in [0, 255]."""
    return frames.permute(0, 3, 1, 2).float()
