"""Bounds for tables: the scores of doing nothing, and of a perfect model."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from baselines.predictor import ModelError, MotionMode, PairBatch, Predictor
from protocols.names import PERFECT, STILL, TEMPLATE
from protocols.protocol import MODES


class CopySource(Predictor):
    """The unchanged source frame: the lower bound."""

    name = STILL
    motion_modes = MODES
    driven_by = None

    def predict(self, batch: PairBatch, mode: MotionMode) -> Tensor:
        return batch.source.clone()

    def describe(self) -> dict[str, Any]:
        return {"sample_weights": False, "weights_file": None, "weights_sha256": None, "parameters": 0}


class CopyTarget(CopySource):
    """The target itself, or the driving frame if there is no target: the upper bound."""

    name = PERFECT

    def predict(self, batch: PairBatch, mode: MotionMode) -> Tensor:
        frame = batch.driving if batch.target is None else batch.target
        if frame.shape != batch.source.shape:
            raise ModelError(
                f"copy-target: the {'driving' if batch.target is None else 'target'} frames are "
                f"{frame.shape[-1]}x{frame.shape[-2]}, the source {batch.source.shape[-1]}x{batch.source.shape[-2]}",
                code="frame-sizes-differ",
            )
        return frame.clone()


class CopyTemplate(CopySource):
    """The unchanged template frames, with other words: the lower bound of models driven by sound."""

    name = TEMPLATE
