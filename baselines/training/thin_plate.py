"""TPSM in training: reconstruction, equivariance, warp and background losses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.blocks.conv import AntiAliasDownsample
from baselines.tpsm.network import POINTS_PER_TPS, TPSM, Generated
from baselines.training import losses
from baselines.training.precision import in_bf16, in_float32
from baselines.training.settings import TrainSettings
from baselines.training.trainee import Trainee
from baselines.training.transform import ThinPlateTransform

# The reduced network has no background motion, since no clip of the sample set has a moving camera.
TPSM_CONFIG: dict[str, Any] = {
    "common_params": {"num_tps": 5, "num_channels": 3, "bg": False, "multi_mask": True, "width": 16},
    "generator_params": {"block_expansion": 16, "max_features": 64, "num_down_blocks": 3},
    "dense_motion_params": {"block_expansion": 20, "max_features": 96, "num_blocks": 5, "scale_factor": 0.25},
}
_DROPOUT_UNTIL, _BACKGROUND_FROM = 0.35, 0.10


class ThinPlateTrainee(Trainee):
    """TPSM (Zhao and Zhang 2022, Sec. 3.5), with the released code's schedule in shares of the training."""

    config = TPSM_CONFIG
    without = {"avd_network_params": None}
    memory_format = torch.contiguous_format  # instance norm copies channels-last tensors

    def __init__(self, settings: TrainSettings):
        super().__init__(settings)
        network = self.network = self.build()
        spread_points(network.kp_detector.fg_encoder.fc.bias)
        parts = {
            "kp_detector": network.kp_detector,
            "dense_motion_network": network.dense_motion_network,
            "inpainting_network": network.inpainting_network,
            "bg_predictor": network.bg_predictor,
        }
        self.networks = nn.ModuleDict({name: part for name, part in parts.items() if part is not None})
        if self.bf16:
            self._reduce_precision(torch.device(settings.device).type)

    def build(self) -> TPSM:
        return TPSM(self.config)

    def _reduce_precision(self, device: str) -> None:
        """Let convolutions and hourglass compute in bfloat16; points, splines and flow stay in float32."""
        motion = self.network.dense_motion_network
        vars(motion)["forward"] = in_float32(motion.forward, device)
        vars(motion.hourglass)["levels"] = in_bf16(motion.hourglass.levels, self.memory_format)
        encoder = self.network.kp_detector.fg_encoder
        stages = [encoder.conv1, encoder.layer1, encoder.layer2, encoder.layer3, encoder.layer4]
        for module in (*stages, motion.maps, *motion.up, *motion.occlusion):
            module.forward = in_bf16(module.forward, self.memory_format)

    def set_side(self, side: int) -> None:
        motion = self.network.dense_motion_network
        if motion.down.stride != side // self.motion_side:
            motion.down = AntiAliasDownsample(3, self.motion_side / side).to(motion.down.weight.device)

    def detect(self, frames: Tensor) -> Tensor:
        """Return points of frames of any side, which are resized to the frame size for the ResNet."""
        if frames.shape[2] != self.frame_size:
            size = (self.frame_size, self.frame_size)
            frames = F.interpolate(frames, size=size, mode="bilinear", align_corners=True)
        return self.network.detect(frames)

    def generate(self, image: Tensor, *motion: Any) -> Generated:
        with self.reduced_precision(image.device):
            made = self.network.dense_motion_network(image, *motion)
            # The maps are for frames of four times the motion's side; smaller frames need smaller maps.
            shrink = self.frame_size // image.shape[2]
            maps = tuple(F.avg_pool2d(x, shrink) for x in made.occlusions) if shrink > 1 else made.occlusions
            return self.inpaint(image, replace(made, occlusions=maps), motion[0])

    def inpaint(self, image: Tensor, motion: Any, source: Tensor) -> Generated:
        """Return the frame for a motion. source: the source's points."""
        return self.network.inpainting_network(image, motion)

    def reconstruct(self, source: Tensor, driving: Tensor) -> Tensor:
        points = self.detect(torch.cat([source, driving])).split([len(source), len(driving)])
        return self.generate(source, *points).frame.float()

    def losses(self, source: Tensor, driving: Tensor, rng: torch.Generator, progress: float) -> dict[str, Tensor]:
        count, half = len(driving), self.deformed(len(driving))
        transform = ThinPlateTransform.random(half, rng, squared=True, align_corners=True).to(driving.device)
        frames = torch.cat([source, driving, transform.frames(driving[:half])])
        at_source, at_driving, at_copy = self.detect(frames).split([count, count, half])
        background, parts = None, {}
        if self.network.bg_predictor is not None and progress >= _BACKGROUND_FROM:
            background = self.network.bg_predictor(source, driving)
            reverse = self.network.bg_predictor(driving, source)
            parts["background"] = losses.background_cycle(background, reverse)
        made = self.generate(source, at_source, at_driving, background, self.survivors(count, rng, progress))
        with self.reduced_precision(driving.device):
            encoded = self.network.inpainting_network.encode_driving(driving, made.motion.occlusions)
        points = losses.equivariance_points(at_driving[:half], transform.points(at_copy))
        warped = losses.warped_features([x.float() for x in encoded], [x.float() for x in made.warped])
        parts |= {"equivariance_value": points, "warp": warped}
        return self.reconstruction(made.frame.float(), driving, rng) | self.weighted(parts)

    def survivors(self, count: int, rng: torch.Generator, progress: float) -> Tensor | None:
        """Return the splines that survive dropout, bool ``(count, K+1)``, always the background; None later (Eq. 9)."""
        if progress >= _DROPOUT_UNTIL:
            return None
        share = min(0.1 + 3 * progress, 0.3)
        keep = torch.rand(count, self.config["common_params"]["num_tps"], generator=rng) >= share
        return torch.cat([torch.ones(count, 1, dtype=torch.bool), keep], dim=1)


@torch.no_grad()
def spread_points(bias: Tensor) -> None:
    """Initialize the detector's last bias so that each spline starts with five points around its own place.

    With the default bias all points start within a few pixels of the center, and stay there in short trainings.
    """
    groups = bias.numel() // (2 * POINTS_PER_TPS)
    centers = torch.rand(groups, 1, 2) - 0.5
    points = centers + 0.7 * (torch.rand(groups, POINTS_PER_TPS, 2) - 0.5)
    # The detector's value is 2 sigmoid(x) - 1 = tanh(x / 2).
    bias.copy_(2 * torch.atanh(points).flatten())
