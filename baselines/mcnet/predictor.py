"""MCNet behind the predictor interface."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from baselines.checkpoints import States
from baselines.fomm.predictor import driving_keypoints, read_keypoint_count
from baselines.mcnet.network import MCNet
from baselines.network_predictor import NetworkPredictor, with_failures
from baselines.predictor import ModelError, MotionMode, PairBatch


class McnetPredictor(NetworkPredictor):
    """The released network draws noise in every forward pass; here it comes from each pair's seed."""

    network: MCNet

    @classmethod
    def read_shapes(cls, config: dict[str, Any], states: States) -> None:
        read_keypoint_count(config, states)
        name = "mbUnit.mb"
        generator = states.get("generator", {})
        if name not in generator:
            raise KeyError(f"generator.{name}")
        _, config["command_line"]["mb_channel"], config["command_line"]["mb_spatial"], _ = generator[name].shape

    def build(self, config: Mapping[str, Any], options: Mapping[str, str]) -> MCNet:
        return MCNet(config, self.frame_size)

    def conventions(self) -> dict[str, Any]:
        return {"align_corners": "generator true, dense motion false", "noise": "one generator a pair, by its seed"}

    def check(self, batch: PairBatch, mode: MotionMode) -> None:
        super().check(batch, mode)
        if len(batch.seeds) != len(batch):
            raise ModelError(f"{self.name} draws noise and needs one seed a pair: {len(batch.seeds)} for {len(batch)}")

    def animate(self, batch: PairBatch, mode: MotionMode) -> Tensor:
        source = self.network.detect(batch.source)
        driving = driving_keypoints(self.network, source, batch, mode)
        noise = self.network.noise(batch.seeds, batch.source)
        frame = self.network.generate(batch.source, source, driving, noise).frame
        return with_failures(frame, source.value, driving.value, driving.jacobian)
