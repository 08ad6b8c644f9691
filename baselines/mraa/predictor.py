"""MRAA as a predictor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from baselines.checkpoints import States
from baselines.mraa.network import MRAA
from baselines.mraa.regions import relative_regions
from baselines.network_predictor import NetworkPredictor, with_failures
from baselines.predictor import MotionMode, PairBatch


class MraaPredictor(NetworkPredictor):
    """MRAA as in the released demo: the background does not move. Mode avd if the checkpoint has its network."""

    sensitive = ("region_predictor",)  # a singular value decomposition follows
    network: MRAA

    @classmethod
    def read_shapes(cls, config: dict[str, Any], states: States) -> None:
        name = "regions.weight"
        detector = states.get("region_predictor", {})
        if name not in detector:
            raise KeyError(f"region_predictor.{name}")
        config["num_regions"] = len(detector[name])
        for part in ("bg_predictor", "avd_network"):
            if part not in states:
                config[f"{part}_params"] = None

    def build(self, config: Mapping[str, Any], options: Mapping[str, str]) -> MRAA:
        network = MRAA(config)
        if network.avd_network is None:
            self.motion_modes = tuple(mode for mode in self.motion_modes if mode != "avd")
        return network

    def conventions(self) -> dict[str, Any]:
        return {"align_corners": False, "background": "not moved", "released_relative": "relative-adapt"}

    def animate(self, batch: PairBatch, mode: MotionMode) -> Tensor:
        source, driving = self.network.detect(batch.source), self.network.detect(batch.driving)
        if mode == "avd":
            driving = self.network.disentangled(source, driving)
        elif mode != "absolute":
            assert batch.anchor is not None  # `check` ensures it
            anchor = self.network.detect(batch.anchor)
            driving = relative_regions(source, driving, anchor, adapt_scale=mode == "relative-adapt")
        frame, _ = self.network.generate(batch.source, source, driving)
        return with_failures(frame, source.shift, source.affine, driving.shift, driving.affine)
