"""FOMM as a predictor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from baselines.blocks.keypoints import Keypoints
from baselines.blocks.relative import relative_keypoints
from baselines.checkpoints import States
from baselines.fomm.network import FOMM
from baselines.network_predictor import NetworkPredictor, with_failures
from baselines.predictor import ModelError, MotionMode, PairBatch


class FommPredictor(NetworkPredictor):
    """FOMM. Option ``align_corners``: false samples as current torch by default, true as torch before 1.3.

    The released code runs under both. The checkpoints were trained with the latter, which the paper's numbers most
    likely come from, too.
    """

    options = ("align_corners",)
    network: FOMM

    @classmethod
    def read_shapes(cls, config: dict[str, Any], states: States) -> None:
        read_keypoint_count(config, states)

    def build(self, config: Mapping[str, Any], options: Mapping[str, str]) -> FOMM:
        self.align_corners = self.read_align_corners(options)
        return FOMM(config, align_corners=self.align_corners)

    def read_align_corners(self, options: Mapping[str, str]) -> bool:
        """Return the value of the option ``align_corners``. Raises ModelError if it is neither true nor false."""
        chosen = options.get("align_corners", "false")
        if chosen not in ("true", "false"):
            raise ModelError(f"{self.name}: align_corners is true or false, not {chosen}", code="bad-value")
        return chosen == "true"

    def conventions(self) -> dict[str, Any]:
        return {"align_corners": self.align_corners}

    def animate(self, batch: PairBatch, mode: MotionMode) -> Tensor:
        source = self.network.detect(batch.source)
        driving = driving_keypoints(self.network, source, batch, mode)
        return with_failures(self.render(batch, source, driving), source.value, driving.value, driving.jacobian)

    def render(self, batch: PairBatch, source: Keypoints, driving: Keypoints) -> Tensor:
        """Return the frames ``(N, 3, H, W)`` for these keypoints."""
        return self.network.generate(batch.source, source, driving)[0]


def read_keypoint_count(config: dict[str, Any], states: States) -> None:
    """Set ``num_kp`` from the detector's head. Raises KeyError if there is none."""
    name = "kp.weight"
    detector = states.get("kp_detector", {})
    if name not in detector:
        raise KeyError(f"kp_detector.{name}")
    config["common_params"]["num_kp"] = len(detector[name])


def driving_keypoints(network: Any, source: Keypoints, batch: PairBatch, mode: MotionMode) -> Keypoints:
    """Return the keypoints to animate the source to: those of the driving frame, or relative to the anchor."""
    driving = network.detect(batch.driving)
    if mode == "absolute":
        return driving
    return relative_keypoints(source, driving, network.detect(batch.anchor), adapt_scale=mode == "relative-adapt")
