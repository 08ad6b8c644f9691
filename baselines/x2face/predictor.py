"""X2Face as a predictor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from baselines.checkpoints import States
from baselines.network_predictor import NetworkPredictor, with_failures
from baselines.predictor import MotionMode, PairBatch
from baselines.x2face.network import X2Face


class X2facePredictor(NetworkPredictor):
    """X2Face with one source, driven by an image. Its output is not bounded; frames are clamped to [0, 1]."""

    memoized = ("model.embed", "model.drive")
    network: X2Face

    @classmethod
    def read_shapes(cls, config: dict[str, Any], states: States) -> None:
        bottleneck = "pix2pixSampler.netG.model" + ".submodule" * 7 + ".down.1.weight"
        model = states.get("model", {})
        if bottleneck not in model:
            raise KeyError(f"model.{bottleneck}")
        config["inner_nc"] = len(model[bottleneck])
        config["pose"] = "posereg" in states and "posetobottle" in states

    def build(self, config: Mapping[str, Any], options: Mapping[str, str]) -> X2Face:
        return X2Face(config)

    def side_step(self) -> int | None:
        return self.network.model.side  # None as released: those networks halve 256 pixels down to one

    def conventions(self) -> dict[str, Any]:
        return {"align_corners": True, "sources": 1}

    def animate(self, batch: PairBatch, mode: MotionMode) -> Tensor:
        made = self.network.generate(batch.source, batch.driving)
        return with_failures(made.clamp(0, 1), made)
