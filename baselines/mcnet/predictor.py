"""MCNet, and its memory on FOMM and TPSM, as predictors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from baselines.blocks.keypoints import Keypoints
from baselines.checkpoints import States
from baselines.fomm.predictor import FommPredictor, driving_keypoints, read_keypoint_count
from baselines.mcnet.attached import MemoryFOMM, MemoryTPSM
from baselines.mcnet.memory import rename_levels, trained_side
from baselines.mcnet.network import MCNet
from baselines.network_predictor import NetworkPredictor, with_failures
from baselines.predictor import ModelError, MotionMode, PairBatch
from baselines.tpsm.predictor import TpsmPredictor


class MemoryPredictor(NetworkPredictor):
    """Base of models with the memory. Its noise comes from each pair's seed; released, every forward pass draws it.

    Convolutions and memory work on features of any side. Only the names of the memory's levels, which are the sides of
    their features, change with the side of the frames.
    """

    holder: ClassVar[str] = "generator"  # the submodule with the memory, ``mbUnit``

    @classmethod
    def side_by_shapes(cls, config: Mapping[str, Any], states: States) -> int | None:
        return trained_side(states.get(cls.holder, {}), config["generator_params"]["num_down_blocks"])

    def change_side(self, old: int, new: int) -> None:
        rename_levels(getattr(self.network.get_submodule(self.holder), "mbUnit", None), old, new)

    def check(self, batch: PairBatch, mode: MotionMode) -> None:
        super().check(batch, mode)
        if len(batch.seeds) != len(batch):
            raise ModelError(
                f"{self.name} draws noise and needs one seed per pair: {len(batch.seeds)} for {len(batch)}",
                code="missing-seeds",
            )

    def conventions(self) -> dict[str, Any]:
        return {**super().conventions(), "noise": "one generator a pair, by its seed"}


class McnetPredictor(MemoryPredictor):
    """MCNet and its ablations."""

    sensitive = ("kp_detector", "generator.dense_motion_network")  # the memory amplifies errors of the keypoints
    network: MCNet

    @classmethod
    def read_shapes(cls, config: dict[str, Any], states: States) -> None:
        read_keypoint_count(config, states)
        name = "mbUnit.mb"
        generator = states.get("generator", {})
        if name in generator:
            _, config["command_line"]["mb_channel"], config["command_line"]["mb_spatial"], _ = generator[name].shape
        elif config["command_line"].get("levels") != 0:
            raise KeyError(f"generator.{name}")

    def build(self, config: Mapping[str, Any], options: Mapping[str, str]) -> MCNet:
        return MCNet(config, self.frame_size)

    def conventions(self) -> dict[str, Any]:
        return {"align_corners": "generator true, dense motion false", **super().conventions()}

    def animate(self, batch: PairBatch, mode: MotionMode) -> Tensor:
        source = self.network.detect(batch.source)
        driving = driving_keypoints(self.network, source, batch, mode)
        noise = self.network.noise(batch.seeds, batch.source)
        frame = self.network.generate(batch.source, source, driving, noise).frame
        return with_failures(frame, source.value, driving.value, driving.jacobian)


class MemoryFommPredictor(MemoryPredictor, FommPredictor):
    """``fomm+memory``."""

    network: MemoryFOMM

    def build(self, config: Mapping[str, Any], options: Mapping[str, str]) -> MemoryFOMM:
        self.align_corners = self.read_align_corners(options)
        return MemoryFOMM(config, self.align_corners, self.frame_size)

    def render(self, batch: PairBatch, source: Keypoints, driving: Keypoints) -> Tensor:
        noise = self.network.noise(batch.seeds, batch.source)
        return self.network.generate(batch.source, source, driving, noise).frame


class MemoryTpsmPredictor(MemoryPredictor, TpsmPredictor):
    """``tpsm+memory``."""

    holder = "inpainting_network"
    network: MemoryTPSM

    def new(self, config: Mapping[str, Any]) -> MemoryTPSM:
        return MemoryTPSM(config, self.frame_size)

    def render(self, batch: PairBatch, source: Tensor, driving: Tensor) -> Tensor:
        noise = self.network.noise(batch.seeds, batch.source)
        return self.network.generate(batch.source, source, driving, noise=noise).frame
