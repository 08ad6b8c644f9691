"""Networks whose features metrics of sets compare: one row of numbers a frame, or a window of frames."""

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
    """One network with one way of resizing.

    name: short name. width: length of a row. length: frames that one row is of, 1 for a frame; windows of that many
    frames follow each other without overlap. settings: all that moves the numbers besides the weights, as the signature
    has it. proxy: True where it stands in for the papers' own.
    """

    name: str
    width: int
    length: int = 1
    settings: str
    proxy: bool = False

    def __init__(self, weights: Path | None = None, device: str = "cpu") -> None:
        """`weights`: the weights folder, read when features are asked for. Raises UserError where they are missing."""
        if reasons := self.missing(weights):
            raise UserError(f"{self.name}: {', '.join(reasons)}", code="missing-weights")
        file = self.file(weights)
        assert file is not None  # else it would be missing
        self._file, self._device = file, device
        self._blocks = Blocks(self.name)

    @classmethod
    @abstractmethod
    def file(cls, weights: Path | None) -> Path | None:
        """Find the weight file; None where it is not on this machine."""

    @classmethod
    @abstractmethod
    def missing(cls, weights: Path | None) -> list[str]:
        """Name what keeps it from being used, in words; empty where nothing does. Opens no file."""

    @abstractmethod
    def compute(self, frames: Tensor) -> Tensor:
        """Rows ``(N, width)`` of uint8 RGB frames ``(N, H, W, 3)``, or windows ``(N, T, H, W, 3)``, on their device."""

    @cached_property
    def signature(self) -> str:
        """One line that names everything that moves the numbers: network, version, weights, resize."""
        return f"{self.name};v:1;weights:{short_hash(self._file)};{self.settings}"

    def features(self, frames: np.ndarray | Tensor) -> np.ndarray:
        """Float32 rows ``(N, width)`` of uint8 RGB frames ``(N, H, W, 3)``, or of windows ``(N, T, H, W, 3)``.

        Frames that are on the network's device stay there. No row depends on the others.
        """
        if not len(frames):
            return np.empty((0, self.width), np.float32)
        given = frames if isinstance(frames, Tensor) else torch.from_numpy(np.ascontiguousarray(frames))
        return self._blocks(self.compute, given.to(self._device)).float().numpy()


def levels(frames: Tensor) -> Tensor:
    """Float levels ``(N, 3, H, W)`` in [0, 255] of uint8 frames ``(N, H, W, 3)``."""
    return frames.permute(0, 3, 1, 2).float()
