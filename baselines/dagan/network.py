"""DaGAN: Depth-Aware Generative Adversarial Network for talking heads (Hong et al., CVPR 2022)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.blocks.conv import DownBlock, SameBlock
from baselines.blocks.dense_motion import Motion
from baselines.blocks.grid import resize, resize_flow, warp
from baselines.blocks.keypoints import KeypointDetector, Keypoints
from baselines.blocks.spade import SpadeDecoder
from baselines.dagan.depth import DepthDecoder, DepthEncoder
from baselines.fomm.network import OcclusionAwareGenerator


class CrossModalAttention(nn.Module):
    """Cross-modal attention: queries from depth, keys and values from the warped feature (Sec. 3.3).

    side: average both to this side first (a reduced network); None: all positions, as released.
    """

    def __init__(self, features: int, side: int | None = None):
        super().__init__()
        self.side = side
        self.query_conv = nn.Conv2d(features, features // 8, 1)
        self.key_conv = nn.Conv2d(features, features // 8, 1)
        self.value_conv = nn.Conv2d(features, features, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, depth: Tensor, warped: Tensor) -> Tensor:
        """Return ``warped + gamma * attention``. depth, warped: ``(N, C, h, w)``."""
        size = (warped.shape[2], warped.shape[3]) if self.side is None else (self.side, self.side)
        deep, moved = (x if x.shape[2:] == size else F.adaptive_avg_pool2d(x, size) for x in (depth, warped))
        parts = F.relu(self.query_conv(deep)), F.relu(self.key_conv(moved)), F.relu(self.value_conv(moved))
        query, key, value = (part.flatten(2).transpose(1, 2) for part in parts)
        read = F.scaled_dot_product_attention(query, key, value, scale=1.0)
        read = read.transpose(1, 2).reshape(len(warped), -1, *size)
        return self.gamma * resize(read, warped.shape[2], warped.shape[3], align_corners=False) + warped


class DepthAwareGenerator(OcclusionAwareGenerator):
    """FOMM's generator with an encoder of the source's depth and attention from it to the warped feature."""

    def __init__(self, num_kp: int, num_channels: int = 3, attention_side: int | None = None, **parameters: Any):
        super().__init__(num_kp, num_channels, **parameters)
        self.src_first = SameBlock(1, self.widths[0], kernel_size=7)
        self.src_down_blocks = nn.ModuleList(DownBlock(a, b) for a, b in zip(self.widths, self.widths[1:]))
        self.AttnModule = CrossModalAttention(self.widths[-1], attention_side)

    def forward(  # type: ignore[override]
        self, source_image: Tensor, source: Keypoints, driving: Keypoints, depth: Tensor
    ) -> tuple[Tensor, Motion]:
        """Return the frame ``(N, 3, H, W)`` in (0, 1) and its motion. depth: ``(N, 1, H, W)`` in (0, 1), source's."""
        motion = self.dense_motion_network(source_image, source, driving)
        feature = self.deform(self.encode(source_image)[-1], motion)
        feature = self.AttnModule(self.encode_depth(depth), feature)
        return self.render(feature, source_image, motion), motion

    def encode_depth(self, depth: Tensor) -> Tensor:
        """Return the coarsest feature of a depth map ``(N, 1, H, W)``."""
        feature = self.src_first(depth)
        for block in self.src_down_blocks:
            feature = block(feature)
        return feature

    def render(self, feature: Tensor, source_image: Tensor, motion: Motion) -> Tensor:
        """Return the frame for the attended feature."""
        return self.decode(feature)


class GuidedSpadeDecoder(SpadeDecoder):
    """SPADE decoder modulated by the warped source image and a few channels of the feature itself."""

    COMPRESSED = 4

    def __init__(self, features: int, width: int = 512):
        super().__init__(features, self.COMPRESSED + 3, middle=3, width=width)
        self.compress = nn.Conv2d(features, self.COMPRESSED, 3, padding=1)

    def forward(self, feature: Tensor, image: Tensor) -> Tensor:
        compressed = F.interpolate(self.compress(feature), size=image.shape[2:], mode="nearest")
        return super().forward(feature, torch.cat([compressed, image], dim=1))


class SpadeDepthAwareGenerator(DepthAwareGenerator):
    """The released alternative: a SPADE decoder instead of bottleneck and up blocks."""

    def __init__(self, num_kp: int, num_channels: int = 3, spade_width: int = 512, **parameters: Any):
        super().__init__(num_kp, num_channels, **parameters)
        del self.bottleneck, self.up_blocks, self.final
        self.decoder = GuidedSpadeDecoder(self.widths[-1], spade_width)

    def render(self, feature: Tensor, source_image: Tensor, motion: Motion) -> Tensor:
        return self.decoder(feature, self.visible_image(source_image, motion))

    @staticmethod
    def visible_image(source_image: Tensor, motion: Motion) -> Tensor:
        """Return the warped source image ``(N, 3, H, W)``, its occluded parts black."""
        assert motion.occlusion is not None  # DaGAN always estimates it
        height, width = source_image.shape[2:]
        flow = resize_flow(motion.flow, height, width, align_corners=False).to(source_image.dtype)
        return warp(source_image, flow, align_corners=False) * resize(motion.occlusion, height, width, False)


GENERATORS = {"DepthAwareGenerator": DepthAwareGenerator, "SPADEDepthAwareGenerator": SpadeDepthAwareGenerator}


class DaGAN(nn.Module):
    """All networks, named as in the official checkpoints; the names of the depth networks are this project's.

    config: as in the official YAML files, with ``command_line``: ``generator`` is one of `GENERATORS`. A reduced
        network adds ``depth_params``: ``width``, ``widths``, and ``side``, to which frames for the depth network are
        averaged.
    """

    def __init__(self, config: Mapping[str, Any]):
        super().__init__()
        common = config["common_params"]
        num_kp, num_channels = common["num_kp"], common.get("num_channels", 3)
        self.kp_detector = KeypointDetector(num_kp, num_channels + 1, **config["kp_detector_params"])
        parameters = {k: v for k, v in config["generator_params"].items() if k != "estimate_occlusion_map"}
        self.generator = GENERATORS[config["command_line"]["generator"]](num_kp, num_channels, **parameters)
        depth = config.get("depth_params") or {}
        width, widths, self.depth_side = depth.get("width", 64), depth.get("widths"), depth.get("side")
        self.depth_encoder = DepthEncoder(width)
        self.depth_decoder = DepthDecoder(width, tuple(widths)) if widths else DepthDecoder(width)

    def depth(self, image: Tensor) -> Tensor:
        """Return the disparity ``(N, 1, H, W)`` in (0, 1) of images ``(N, 3, H, W)`` in [0, 1], not normalized."""
        small = image if self.depth_side is None else F.adaptive_avg_pool2d(image, self.depth_side)
        return resize(
            self.depth_decoder(self.depth_encoder(small))[0], image.shape[2], image.shape[3], align_corners=False
        )

    def detect(self, image: Tensor, depth: Tensor | None = None) -> Keypoints:
        """Return the keypoints of an image with its depth, which is computed if None (Sec. 3.2)."""
        depth = self.depth(image) if depth is None else depth
        return self.kp_detector(torch.cat([image, depth], dim=1))

    def generate(
        self, source_image: Tensor, source: Keypoints, driving: Keypoints, depth: Tensor | None = None
    ) -> tuple[Tensor, Motion]:
        """Return the source animated to the driving keypoints, ``(N, 3, H, W)`` in (0, 1), and its motion."""
        depth = self.depth(source_image) if depth is None else depth
        return self.generator(source_image, source, driving, depth)
