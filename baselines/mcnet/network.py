"""MCNet: memory compensation network for talking heads (Hong and Xu, ICCV 2023)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from baselines.blocks.conv import DownBlock, ResBlock, SameBlock, UpBlock
from baselines.blocks.dense_motion import DenseMotionNetwork, Motion
from baselines.blocks.grid import resize, resize_flow, warp
from baselines.blocks.keypoints import KeypointDetector, Keypoints
from baselines.mcnet.memory import Compensation, MemoryUnit, draw_noise


@dataclass(frozen=True)
class Generated:
    """frame: ``(N, 3, H, W)`` in (0, 1); compensations: one a memory level, coarse to fine."""

    frame: Tensor
    motion: Motion
    compensations: tuple[Compensation, ...]


class MemoryCompensatedGenerator(nn.Module):
    """U-Net whose warped encoder features pass the memory on every level but the finest (Fig. 2).

    frame_size: side of the frames; the memory's levels have the sides ``frame_size / 2**num_down_blocks`` and up.
    """

    def __init__(
        self,
        num_kp: int,
        num_channels: int = 3,
        block_expansion: int = 64,
        max_features: int = 512,
        num_down_blocks: int = 3,
        dense_motion_params: Mapping[str, Any] | None = None,
        mb_channel: int = 512,
        mb_spatial: int = 32,
        frame_size: int = 256,
    ):
        super().__init__()
        self.dense_motion_network = DenseMotionNetwork(num_kp, num_channels, **(dense_motion_params or {}))
        widths = [min(max_features, block_expansion * 2**i) for i in range(num_down_blocks + 1)]
        self.first = SameBlock(num_channels, block_expansion, kernel_size=7)
        self.down_blocks = nn.ModuleList(DownBlock(a, b) for a, b in zip(widths, widths[1:]))
        coarse_to_fine = list(reversed(range(1, num_down_blocks + 1)))
        ups, residuals = [], []
        for i in coarse_to_fine:
            joined = widths[i] if i == num_down_blocks else 2 * widths[i]
            residuals += [ResBlock(joined), ResBlock(joined)]
            ups.append(UpBlock(joined, widths[i - 1]))
        self.up_blocks = nn.ModuleList(ups)
        self.resblock = nn.ModuleList(residuals)
        self.final = nn.Conv2d(block_expansion, num_channels, kernel_size=7, padding=3)
        levels = {frame_size >> i: widths[i] for i in coarse_to_fine}
        self.mbUnit = MemoryUnit(levels, num_kp, mb_channel, mb_spatial)  # noqa: N815 (the checkpoint's name)

    def forward(
        self, source_image: Tensor, source: Keypoints, driving: Keypoints, noise: Sequence[Tensor]
    ) -> Generated:
        """noise: one tensor of `MemoryUnit.noise_shape` a level, coarse to fine."""
        features = [self.first(source_image)]
        for block in self.down_blocks:
            features.append(block(features[-1]))
        motion = self.dense_motion_network(source_image, source, driving)
        warped = [deform(feature, motion) * occlusion(feature, motion) for feature in features]
        compensations: list[Compensation] = []
        out = None
        for i, (up, level_noise) in enumerate(zip(self.up_blocks, noise, strict=True)):
            compensations.append(self.mbUnit(warped[-1 - i], source.value, level_noise))
            feature = compensations[-1].feature
            out = feature if out is None else torch.cat([out, feature], dim=1)
            out = up(self.resblock[2 * i + 1](self.resblock[2 * i](out)))
        visible = occlusion(source_image, motion)
        out = torch.sigmoid(self.final(out * (1 - visible) + warped[0]))
        frame = out * (1 - visible) + deform(source_image, motion) * visible
        return Generated(frame, motion, tuple(compensations))


def deform(feature: Tensor, motion: Motion) -> Tensor:
    """Warp ``(N, C, H, W)`` by the flow brought to its size; aligned corners, as released."""
    flow = resize_flow(motion.flow, feature.shape[2], feature.shape[3], align_corners=True)
    return warp(feature, flow.to(feature.dtype), align_corners=True)


def occlusion(feature: Tensor, motion: Motion) -> Tensor:
    """The occlusion map ``(N, 1, H, W)`` at the size of `feature`."""
    return resize(motion.occlusion, feature.shape[2], feature.shape[3], align_corners=True)


class MCNet(nn.Module):
    """Keypoint detector and generator, under the names that they have in the official checkpoints.

    config: as in the official YAML files (``common_params``, ``kp_detector_params``, ``generator_params``), and
        ``command_line`` with ``mb_channel`` and ``mb_spatial``.
    """

    def __init__(self, config: Mapping[str, Any], frame_size: int = 256):
        super().__init__()
        common, memory = config["common_params"], config["command_line"]
        num_kp, num_channels = common["num_kp"], common.get("num_channels", 3)
        self.kp_detector = KeypointDetector(num_kp, num_channels, **config["kp_detector_params"])
        # These keys stand in the official files without any effect on the released network.
        ignored = {"estimate_occlusion_map", "num_bottleneck_blocks", "memsize"}
        self.generator = MemoryCompensatedGenerator(
            num_kp,
            num_channels,
            mb_channel=memory["mb_channel"],
            mb_spatial=memory["mb_spatial"],
            frame_size=frame_size,
            **{key: value for key, value in config["generator_params"].items() if key not in ignored},
        )

    def detect(self, image: Tensor) -> Keypoints:
        """Keypoints of ``(N, 3, H, W)`` in [0, 1]."""
        return self.kp_detector(image)

    def noise(self, seeds: Sequence[int], like: Tensor) -> list[Tensor]:
        """The noise of every level, one seed a sample: a pair's noise depends on neither its batch nor its place.

        The released network draws it afresh in every forward pass, in evaluation too.
        """
        shape = self.generator.mbUnit.noise_shape(len(seeds))
        return draw_noise(shape, len(self.generator.up_blocks), seeds, like)

    def generate(
        self, source_image: Tensor, source: Keypoints, driving: Keypoints, noise: Sequence[Tensor]
    ) -> Generated:
        """The source ``(N, 3, H, W)`` in [0, 1] animated to the driving keypoints."""
        return self.generator(source_image, source, driving, noise)
