"""DaGAN as a predictor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from baselines.blocks.spade import has_spade
from baselines.checkpoints import States
from baselines.dagan.network import DaGAN
from baselines.fomm.predictor import driving_keypoints, read_keypoint_count
from baselines.network_predictor import WHOLE, NetworkPredictor, with_failures
from baselines.predictor import MotionMode, PairBatch


class DaganPredictor(NetworkPredictor):
    """DaGAN. The depth network's two files are beside the checkpoint; computes the depth of every frame."""

    memoized = ("depth", "detect", "generator.encode", "generator.encode_depth")
    sensitive = ("kp_detector",)  # SPADE amplifies errors of the keypoints
    network: DaGAN

    @classmethod
    def read_shapes(cls, config: dict[str, Any], states: States) -> None:
        read_keypoint_count(config, states)
        for network in ("depth_encoder", "depth_decoder"):
            if network not in states:
                raise KeyError(f"{network} (the file {'encoder' if 'enc' in network else 'depth'}.pth beside it)")

    def build(self, config: Mapping[str, Any], options: Mapping[str, str]) -> DaGAN:
        network = DaGAN(config)
        if has_spade(network):
            self.sensitive = WHOLE
        return network

    def conventions(self) -> dict[str, Any]:
        return {"align_corners": False, "depth": "disparity of the frozen depth network, not normalised"}

    def animate(self, batch: PairBatch, mode: MotionMode) -> Tensor:
        depth = self.network.depth(batch.source)
        source = self.network.detect(batch.source, depth)
        driving = driving_keypoints(self.network, source, batch, mode)
        frame, _ = self.network.generate(batch.source, source, driving, depth)
        return with_failures(frame, source.value, driving.value, driving.jacobian)
