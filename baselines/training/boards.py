"""Scalars and pictures of a training for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from baselines.predictor import ModelError


class Board:
    """Write to ``<out>/tensorboard``; removes what a killed run wrote after its last saved state."""

    def __init__(self, out: Path, step: int):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise ModelError(
                "TensorBoard logs need tensorboard: pip install 'talking-head-bench[train]'", code="missing-package"
            ) from None
        self.writer = SummaryWriter(str(out / "tensorboard"), purge_step=step)

    def row(self, row: Mapping[str, Any], group: str = "training") -> None:
        """Write the numbers of a row at its ``step``."""
        for name, value in row.items():
            if name != "step":
                self.writer.add_scalar(f"{group}/{name}", value, row["step"])

    def pictures(self, source: Tensor, driving: Tensor, made: Tensor, step: int) -> None:
        """Write rows of source, driving frame and result, each ``(N, 3, S, S)`` in [0, 1]."""
        rows = torch.cat([source, driving, made.clamp(0, 1)], dim=3)
        self.writer.add_image("source, driving, result", torch.cat(list(rows), dim=1).cpu(), step)
        self.writer.flush()
