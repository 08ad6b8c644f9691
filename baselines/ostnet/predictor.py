"""OSTNet, and its parts on FOMM and DaGAN, as predictors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from baselines.checkpoints import States
from baselines.fomm.predictor import read_keypoint_count
from baselines.network_predictor import NetworkPredictor, with_failures
from baselines.ostnet.network import OSTNet, ScaleDaGAN
from baselines.predictor import MotionMode, PairBatch


class OstnetPredictor(NetworkPredictor):
    """OSTNet, with absolute motion only: it is made to need no anchor frame."""

    memoized: ClassVar[tuple[str, ...]] = (
        "detect",
        "generator.first.forward",
    )  # later layers of the encoder depend on the driving frame's scale
    network: OSTNet | ScaleDaGAN

    @classmethod
    def read_shapes(cls, config: dict[str, Any], states: States) -> None:
        read_keypoint_count(config, states)

    def build(self, config: Mapping[str, Any], options: Mapping[str, str]) -> OSTNet | ScaleDaGAN:
        return OSTNet(config)

    def conventions(self) -> dict[str, Any]:
        return {"align_corners": "rectified image true, all else false"}

    def animate(self, batch: PairBatch, mode: MotionMode) -> Tensor:
        source = self.network.detect(batch.source)
        driving = self.network.rectify(source, batch.driving)
        frame, _ = self.network.generate(batch.source, source, driving)
        points = driving.keypoints
        fiducials = [driving.scale.fiducials] if driving.scale else []
        return with_failures(frame, source.value, points.value, points.jacobian, *fiducials)


class ScaleDaganPredictor(OstnetPredictor):
    """``dagan+scale``."""

    memoized = (*OstnetPredictor.memoized, "depth", "generator.encode_depth")

    def build(self, config: Mapping[str, Any], options: Mapping[str, str]) -> ScaleDaGAN:
        return ScaleDaGAN(config)
