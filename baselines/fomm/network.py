"""FOMM: First Order Motion Model for Image Animation (Siarohin et al., NeurIPS 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from baselines.blocks.conv import DownBlock, ResBlock, SameBlock, UpBlock
from baselines.blocks.dense_motion import DenseMotionNetwork, Motion
from baselines.blocks.grid import resize, resize_flow, warp
from baselines.blocks.keypoints import KeypointDetector, Keypoints


class OcclusionAwareGenerator(nn.Module):
    """Encode the source, warp its feature by the dense motion, hide what is occluded, decode (FOMM Sec. 3.3)."""

    def __init__(
        self,
        num_kp: int,
        num_channels: int = 3,
        block_expansion: int = 64,
        max_features: int = 512,
        num_down_blocks: int = 2,
        num_bottleneck_blocks: int = 6,
        dense_motion_params: Mapping[str, Any] | None = None,
        align_corners: bool = False,
    ):
        super().__init__()
        self.dense_motion_network = DenseMotionNetwork(
            num_kp, num_channels, align_corners=align_corners, **(dense_motion_params or {})
        )
        self.first = SameBlock(num_channels, block_expansion, kernel_size=7)
        widths = [min(max_features, block_expansion * 2**i) for i in range(num_down_blocks + 1)]
        steps = list(zip(widths, widths[1:]))
        self.down_blocks = nn.ModuleList(DownBlock(a, b) for a, b in steps)
        self.up_blocks = nn.ModuleList(UpBlock(b, a) for a, b in reversed(steps))
        self.bottleneck = nn.Sequential()
        for i in range(num_bottleneck_blocks):
            self.bottleneck.add_module(f"r{i}", ResBlock(widths[-1]))
        self.final = nn.Conv2d(block_expansion, num_channels, kernel_size=7, padding=3)
        self.align_corners = align_corners

    def forward(self, source_image: Tensor, source: Keypoints, driving: Keypoints) -> tuple[Tensor, Motion]:
        """The frame ``(N, 3, H, W)`` in (0, 1), and the motion that made it."""
        feature = self.first(source_image)
        for block in self.down_blocks:
            feature = block(feature)
        motion = self.dense_motion_network(source_image, source, driving)
        height, width = feature.shape[2:]
        feature = warp(feature, resize_flow(motion.flow, height, width, False).to(feature.dtype), self.align_corners)
        feature = feature * resize(motion.occlusion, height, width, False)
        feature = self.bottleneck(feature)
        for block in self.up_blocks:
            feature = block(feature)
        return torch.sigmoid(self.final(feature)), motion


class FOMM(nn.Module):
    """Keypoint detector and generator, under the names that they have in the official checkpoints.

    config: as in the official YAML files: ``common_params``, ``kp_detector_params``, ``generator_params``.
    """

    def __init__(self, config: Mapping[str, Any], align_corners: bool = False):
        super().__init__()
        common = config["common_params"]
        num_kp, num_channels = common["num_kp"], common.get("num_channels", 3)
        self.kp_detector = KeypointDetector(num_kp, num_channels, **config["kp_detector_params"])
        parameters = {k: v for k, v in config["generator_params"].items() if k != "estimate_occlusion_map"}
        self.generator = OcclusionAwareGenerator(num_kp, num_channels, align_corners=align_corners, **parameters)

    def detect(self, image: Tensor) -> Keypoints:
        """Keypoints of ``(N, 3, H, W)`` in [0, 1]."""
        return self.kp_detector(image)

    def generate(self, source_image: Tensor, source: Keypoints, driving: Keypoints) -> tuple[Tensor, Motion]:
        """The source animated to the driving keypoints ``(N, 3, H, W)`` in (0, 1), and its motion."""
        return self.generator(source_image, source, driving)
