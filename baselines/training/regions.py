"""MRAA in training: FOMM's losses, with regions and their axes instead of keypoints and jacobians."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from baselines.mraa.network import MRAA
from baselines.mraa.regions import Regions
from baselines.training import losses
from baselines.training.first_order import HOURGLASS, FirstOrderTrainee
from baselines.training.precision import in_bf16
from baselines.training.settings import TrainSettings
from baselines.training.transform import ThinPlateTransform

# Two halvings, since skips transfer the details. The reduced network has no background motion, because no clip of the
# sample set has a moving camera, and no AVD network, which is trained afterwards on frozen regions.
MRAA_CONFIG: dict[str, Any] = {
    "num_regions": 10,
    "num_channels": 3,
    "bg_predictor_params": None,
    "region_predictor_params": {"temperature": 0.1, **HOURGLASS},
    "generator_params": {
        "block_expansion": 16,
        "max_features": 64,
        "num_down_blocks": 2,
        "num_bottleneck_blocks": 3,
        "pixelwise_flow_predictor_params": HOURGLASS,
    },
    "avd_network_params": None,
}


class RegionTrainee(FirstOrderTrainee):
    """MRAA (Siarohin et al. 2021, Sec. 3.4): reconstruction, equivariance of centers and of axes.

    If the configuration has a background predictor (Sec. 3.3), it is trained by the reconstruction from the first step,
    so that regions need not follow the camera's motion.
    """

    config = MRAA_CONFIG
    without = {"avd_network_params": None}
    shareable: tuple[str, ...] = ("region_predictor", "generator.pixelwise_flow_predictor")
    detector_name, heads = "region_predictor", ("regions",)
    motion_name = "pixelwise_flow_predictor"

    def __init__(self, settings: TrainSettings):
        super().__init__(settings)
        background = self.network.bg_predictor
        if background is not None:
            self.shareable = (*self.shareable, "bg_predictor")
            if self.bf16:
                background.encoder.forward = in_bf16(background.encoder.forward)

    def build(self) -> MRAA:
        return MRAA(self.config)

    def parts(self) -> dict[str, nn.Module]:
        background = self.network.bg_predictor
        return super().parts() | ({"bg_predictor": background} if background is not None else {})

    def beside(self, source: Tensor, driving: Tensor) -> tuple[Tensor, ...]:
        """Return the background motion ``(N, 3, 3)``, driving to source coordinates, if there is a predictor."""
        background = self.network.bg_predictor
        return (background(source, driving),) if background is not None else ()

    def detect(self, *frames: Tensor) -> list[Regions]:
        regions = self.network.detect(torch.cat(frames))
        sizes = [len(batch) for batch in frames]
        parts = zip(regions.shift.split(sizes), regions.covar.split(sizes), regions.affine.split(sizes))
        return [Regions(shift, covar, affine) for shift, covar, affine in parts]

    def equivariance(self, at: Regions, copy: Regions, transform: ThinPlateTransform) -> dict[str, Tensor]:
        shift, affine = at.shift[: len(copy.shift)], at.affine[: len(copy.shift)]
        slope = transform.jacobians(copy.shift)
        return {
            "equivariance_shift": losses.equivariance_points(shift, transform.points(copy.shift)),
            "equivariance_affine": losses.equivariance_affine(affine, slope, copy.affine),
        }

    def keypoint_terms(self, source: Regions, driving: Regions) -> dict[str, Tensor]:
        if self.published:
            return {}
        return {"spread": 10 * (losses.keypoint_spread(source.shift) + losses.keypoint_spread(driving.shift))}
