"""LivePortrait in training: its first stage, with the losses that it shares with face-vid2vid."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.errors import ModelError
from baselines.liveportrait.motion import KEYPOINTS, FaceMotion
from baselines.liveportrait.network import LivePortrait
from baselines.training.precision import in_bf16
from baselines.training.settings import TrainSettings
from baselines.training.volume import DEPTH, FV2V_CONFIG, CanonicalKeypointTrainee

CHANNELS = 16  # of the volume, whose depth is face-vid2vid's
PORTRAIT_CONFIG: dict[str, Any] = {
    "appearance_feature_extractor_params": {
        "image_channel": 3,
        "block_expansion": 24,
        "num_down_blocks": 2,
        "max_features": 48,
        "reshape_channel": CHANNELS,
        "reshape_depth": DEPTH,
        "num_resblocks": 2,
    },
    "motion_extractor_params": {
        "num_kp": KEYPOINTS,
        "backbone": "convnextv2_tiny",
        "depths": [1, 1, 2, 1],
        "widths": [16, 32, 64, 128],
    },
    "warping_module_params": {
        "num_kp": KEYPOINTS,
        "block_expansion": 24,
        "max_features": 48,
        "num_down_blocks": 2,
        "reshape_channel": CHANNELS,
        "reshape_depth": DEPTH,
        "dense_motion_params": FV2V_CONFIG["generator_params"]["dense_motion_params"],
    },
    "spade_generator_params": {
        "upscale": None,  # frames of 256 pixels as those of the sample set, where the published network makes 512
        "block_expansion": 24,
        "max_features": 48,
        "num_down_blocks": 2,
        "middle": 2,
        "width": 64,
    },
}
# Of short trainings:
SPREAD = 0.6  # the keypoints begin within this distance of the frame's center, along each axis
INITIAL_MOTION = 0.1  # of what freshly drawn heads say of a frame


class PortraitTrainee(CanonicalKeypointTrainee):
    """LivePortrait's base networks (Guo et al. 2024, Sec. 3.2), from scratch.

    `frame_size` is the side of its output; its input is smaller by the generator's upscaling. The motion extractor's
    input has one side, so frames of smaller stages are enlarged for it. The stitching and retargeting networks
    (Sec. 3.3) are not trained, so the checkpoint lacks them. Short trainings start with keypoints that are spread over
    the frame and hardly move, so with nearly a copy of the source.
    """

    config = PORTRAIT_CONFIG
    shareable = ("appearance_feature_extractor", "motion_extractor", "warping_module", "spade_generator")

    def __init__(self, settings: TrainSettings):
        super().__init__(settings)
        self.config = {key: value for key, value in self.config.items() if key != "stitching_retargeting_module_params"}
        self.scale = self.config["spade_generator_params"]["upscale"] or 1
        self.input_size = self.frame_size // self.scale
        if self.input_size < 256:
            raise ModelError(
                f"frame_size: LivePortrait of this size makes frames of {256 * self.scale} pixels or more, not "
                f"{self.frame_size}",
                code="bad-value",
            )
        network = self.network = LivePortrait(self.config)
        self.networks = nn.ModuleDict(dict(network.named_children()))
        if not self.published:
            heads = network.motion_extractor.detector
            with torch.no_grad():
                for head in (heads.fc_kp, heads.fc_scale, heads.fc_t, heads.fc_exp):
                    head.weight.mul_(INITIAL_MOTION)
                    head.bias.zero_()
                heads.fc_scale.bias.fill_(1)
                heads.fc_kp.bias.copy_(SPREAD * (2 * torch.rand(KEYPOINTS * 3) - 1))
        if self.bf16:
            self._reduce_precision()

    def _reduce_precision(self) -> None:
        """Let convolutions compute in bfloat16; angles, points, flow and sampling stay in float32."""
        warping, generator = self.network.warping_module, self.network.spade_generator
        motion = warping.dense_motion_network
        for module in (self.network.appearance_feature_extractor, warping.third, warping.fourth, motion.occlusion):
            vars(module)["forward"] = in_bf16(module.forward)
        vars(self.network)["decode"] = in_bf16(lambda feature: generator(feature, feature))
        volumes: list[nn.Module] = [motion.hourglass]
        if motion.mask.kernel_size[0] < 7:  # see `volume.FV2V_CONFIG`
            volumes.append(motion.mask)
        for volume in volumes:
            vars(volume)["forward"] = in_bf16(volume.forward, torch.channels_last_3d)

    @property
    def exported_config(self) -> dict[str, Any]:
        return super().exported_config | {"frame_size": self.input_size}

    def set_side(self, side: int) -> None:
        """Do nothing: all networks accept any multiple of 32."""

    def place(self, source: Tensor, *frames: Tensor) -> tuple[list[Tensor], FaceMotion]:
        batches = (source, *frames)
        images, size = torch.cat(batches), self.input_size
        if images.shape[2] != size:
            images = F.interpolate(images, size=(size, size), mode="bilinear", antialias=images.shape[2] > size)
        motion = self.network.motion(images)
        sizes = [len(batch) for batch in batches]
        canonical = torch.cat([motion.keypoints[:count] for count in sizes])  # of the source alone (Eq. 2)
        return list(replace(motion, keypoints=canonical).points().split(sizes)), motion

    def generate(self, image: Tensor, source: Tensor, driving: Tensor) -> Tensor:
        if self.scale > 1:
            image = F.interpolate(image, scale_factor=1 / self.scale, mode="area")
        return self.network.generate(self.network.encode(image), source, driving)[0].float()
