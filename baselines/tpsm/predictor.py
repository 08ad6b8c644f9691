"""TPSM as a predictor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from baselines.blocks.relative import movement_scale, relative_points
from baselines.checkpoints import States
from baselines.network_predictor import NetworkPredictor, with_failures
from baselines.predictor import MotionMode, PairBatch
from baselines.tpsm.network import POINTS_PER_TPS, TPSM


class TpsmPredictor(NetworkPredictor):
    """TPSM as in the released demo: without the background predictor. Mode avd if the checkpoint has its network."""

    memoized = ("detect", "inpainting_network.encode")
    sensitive = ("kp_detector", "dense_motion_network")  # instance normalization amplifies errors of the keypoints
    network: TPSM

    @classmethod
    def read_shapes(cls, config: dict[str, Any], states: States) -> None:
        name = "fg_encoder.fc.weight"
        detector = states.get("kp_detector", {})
        if name not in detector:
            raise KeyError(f"kp_detector.{name}")
        config["common_params"]["num_tps"] = len(detector[name]) // (2 * POINTS_PER_TPS)
        config["common_params"]["bg"] = "bg_predictor" in states
        if "avd_network" not in states:
            config["avd_network_params"] = None

    def build(self, config: Mapping[str, Any], options: Mapping[str, str]) -> TPSM:
        network = self.new(config)
        if network.avd_network is None:
            self.motion_modes = tuple(mode for mode in self.motion_modes if mode != "avd")
        return network

    def new(self, config: Mapping[str, Any]) -> TPSM:
        """Return the network without weights."""
        return TPSM(config)

    def conventions(self) -> dict[str, Any]:
        return {"align_corners": True, "background": "not moved", "released_relative": "relative-adapt"}

    def animate(self, batch: PairBatch, mode: MotionMode) -> Tensor:
        source, driving = self.network.detect(batch.source), self.network.detect(batch.driving)
        if mode == "avd":
            assert self.network.avd_network is not None  # else avd is not a motion mode
            driving = self.network.avd_network(source, driving)
        elif mode != "absolute":
            assert batch.anchor is not None  # `check` ensures it
            anchor = self.network.detect(batch.anchor)
            scale = movement_scale(source, anchor) if mode == "relative-adapt" else 1.0
            driving = relative_points(source, driving, anchor, scale)
        return with_failures(self.render(batch, source, driving), source, driving)

    def render(self, batch: PairBatch, source: Tensor, driving: Tensor) -> Tensor:
        """Return the frames ``(N, 3, H, W)`` for these points."""
        return self.network.generate(batch.source, source, driving).frame
