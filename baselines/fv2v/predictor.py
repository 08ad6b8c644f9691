"""face-vid2vid as a predictor."""

from __future__ import annotations

from collections.abc import Mapping
from math import lcm
from typing import Any

from torch import Tensor

from baselines.blocks.relative import movement_scale, relative_points
from baselines.blocks.spade import has_spade
from baselines.checkpoints import States
from baselines.fv2v.network import FaceVid2Vid
from baselines.fv2v.pose import ANGLES
from baselines.network_predictor import WHOLE, NetworkPredictor, with_failures
from baselines.predictor import ModelError, MotionMode, PairBatch


class Fv2vPredictor(NetworkPredictor):
    """face-vid2vid. Options ``yaw``, ``pitch``, ``roll``: degrees that replace the driving frame's (free view).

    ``axes``: ``beta`` for the earlier "beta" checkpoints, which rotate about other axes, or ``standard``. Default:
    ``beta`` if the checkpoint has no downsampling kernel.
    """

    options = (*ANGLES, "axes")
    memoized = ("canonical", "pose", "generator.encode")
    network: FaceVid2Vid

    @classmethod
    def read_shapes(cls, config: dict[str, Any], states: States) -> None:
        detector = states.get("kp_detector", {})
        if "kp.weight" not in detector:
            raise KeyError("kp_detector.kp.weight")
        if "he_estimator" not in states:
            raise KeyError("he_estimator")
        config["common_params"]["num_kp"] = len(detector["kp.weight"])
        if "down.weight" not in detector:
            config["kp_detector_params"]["scale_factor"] = 1
            config["beta_axes"] = True

    def build(self, config: Mapping[str, Any], options: Mapping[str, str]) -> FaceVid2Vid:
        self.angles = {name: self._degrees(name, options[name]) for name in ANGLES if name in options}
        network = FaceVid2Vid(config)
        if has_spade(network):
            self.sensitive = WHOLE
        axes = options.get("axes")
        if axes not in (None, "beta", "standard"):
            raise ModelError(f"{self.name}: axes is beta or standard, not {axes}", code="bad-value")
        network.beta_axes = axes == "beta" if axes else network.beta_axes
        self.axes = "beta" if network.beta_axes else "standard"
        return network

    def side_step(self) -> int:
        detector, generator = self.network.kp_detector, self.network.generator
        steps = [getattr(detector.down, "stride", 1) * 2 ** len(detector.predictor.down_blocks)]
        volume, motion = 2 ** len(generator.down_blocks), generator.dense_motion_network
        steps.append(volume * (2 ** len(motion.hourglass.encoder.down_blocks) if motion.side is None else motion.side))
        return lcm(*steps)

    def _degrees(self, name: str, text: str) -> float:
        try:
            angle = float(text)
        except ValueError:
            angle = float("nan")
        if not -180 <= angle <= 180:
            raise ModelError(
                f"{self.name}: {name} is an angle in degrees between -180 and 180, not {text}", code="bad-value"
            )
        return angle

    def conventions(self) -> dict[str, Any]:
        return {"align_corners": False, "axes": self.axes, "free_view": self.angles}

    def animate(self, batch: PairBatch, mode: MotionMode) -> Tensor:
        network = self.network
        canonical = network.canonical(batch.source)
        source = network.place(canonical, network.pose(batch.source))
        target = driving = network.place(canonical, network.pose(batch.driving).turned(self.angles))
        if mode != "absolute":
            assert batch.anchor is not None  # `check` ensures it
            anchor = network.place(canonical, network.pose(batch.anchor))  # always in its own pose, as released
            scale = movement_scale(source, anchor) if mode == "relative-adapt" else 1.0
            target = relative_points(source, driving, anchor, scale)
        frame, _ = network.generate(batch.source, source, target)
        return with_failures(frame, source, target)
