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
from baselines.mcnet.memory import UNIT_PARAMETERS, Compensation, MemoryUnit, memory_noise
from baselines.mcnet.paper import PaperMemory


@dataclass(frozen=True)
class Generated:
    """frame: ``(N, 3, H, W)`` in (0, 1); compensations: one per memory level, coarse to fine."""

    frame: Tensor
    motion: Motion
    compensations: tuple[Compensation, ...]


class MemoryCompensatedGenerator(nn.Module):
    """U-Net with the memory on the warped encoder features of every level but the finest (Fig. 2).

    frame_size: side of the frames; the memory's levels have the sides ``frame_size / 2**num_down_blocks`` and up.
    memory_levels: number of levels with memory, from the coarsest; all by default.
    memory_params: of `MemoryUnit`.
    """

    def __init__(
        self,
        num_kp: int,
        num_channels: int = 3,
        block_expansion: int = 64,
        max_features: int = 512,
        num_down_blocks: int = 3,
        dense_motion_params: Mapping[str, Any] | None = None,
        memory_params: Mapping[str, Any] | None = None,
        memory_levels: int | None = None,
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
        self.memory_levels = num_down_blocks if memory_levels is None else memory_levels
        levels = {frame_size >> i: widths[i] for i in coarse_to_fine[: self.memory_levels]}
        unit = MemoryUnit(levels, num_kp, **(memory_params or {})) if levels else None
        self.mbUnit: nn.Module | None = unit  # noqa: N815 (the checkpoint's name)

    def encode(self, image: Tensor) -> list[Tensor]:
        """Return features of ``(N, 3, H, W)``, fine to coarse."""
        features = [self.first(image)]
        for block in self.down_blocks:
            features.append(block(features[-1]))
        return features

    def forward(
        self, source_image: Tensor, source: Keypoints, driving: Keypoints, noise: Sequence[Tensor | None]
    ) -> Generated:
        """Return the frame. noise: a tensor of `MemoryUnit.noise_shape` per level with memory, coarse to fine."""
        features = self.encode(source_image)
        motion = self.dense_motion_network(source_image, source, driving)
        warped = [deform(feature, motion) * occlusion(feature, motion) for feature in features]
        compensations: list[Compensation] = []
        out: Tensor | None = None
        for i, up in enumerate(self.up_blocks):
            feature = warped[-1 - i]
            if self.mbUnit is not None and i < self.memory_levels:
                compensations.append(self.mbUnit(feature, source.value, noise[i]))
                feature = compensations[-1].feature
            out = feature if out is None else torch.cat([out, feature], dim=1)
            out = up(self.resblock[2 * i + 1](self.resblock[2 * i](out)))
        assert out is not None  # there is at least one level
        visible = occlusion(source_image, motion)
        out = torch.sigmoid(self.final(out * (1 - visible) + warped[0]))
        frame = out * (1 - visible) + deform(source_image, motion) * visible
        return Generated(frame, motion, tuple(compensations))


class PaperGenerator(MemoryCompensatedGenerator):
    """The generator as in the paper, which differs from the released code (table in docs/models.md).

    All N = 4 levels have the memory. The last layer is a convolution of decoder and compensated feature, then a
    sigmoid. There is no occlusion map, since the paper does not mention it.
    """

    def __init__(self, *args: Any, memory_params: Mapping[str, Any] | None = None, **parameters: Any):
        super().__init__(*args, **parameters | {"memory_levels": 0})
        sizes = [block.conv.out_channels for block in (self.first, *self.down_blocks)]
        self.memory_levels = len(sizes)
        size, num_kp = parameters.get("frame_size", 256), self.dense_motion_network.mask.out_channels - 1
        levels = {size >> i: sizes[i] for i in reversed(range(len(sizes)))}
        self.mbUnit = PaperMemory(levels, num_kp, **(memory_params or {}))
        self.dense_motion_network.occlusion = None
        self.final = nn.Conv2d(2 * sizes[0], self.final.out_channels, kernel_size=7, padding=3)

    def forward(
        self, source_image: Tensor, source: Keypoints, driving: Keypoints, noise: Sequence[Tensor | None]
    ) -> Generated:
        features = self.encode(source_image)
        motion = self.dense_motion_network(source_image, source, driving)
        assert self.mbUnit is not None
        compensations = tuple(self.mbUnit(deform(x, motion), source.value) for x in reversed(features))
        out = compensations[0].feature
        for i, up in enumerate(self.up_blocks):
            out = up(self.resblock[2 * i + 1](self.resblock[2 * i](out)))
            out = torch.cat([out, compensations[i + 1].feature], dim=1)
        return Generated(torch.sigmoid(self.final(out)), motion, compensations)


def deform(feature: Tensor, motion: Motion) -> Tensor:
    """Warp ``(N, C, H, W)`` by the flow resized to its size; with aligned corners, as released."""
    flow = resize_flow(motion.flow, feature.shape[2], feature.shape[3], align_corners=True)
    return warp(feature, flow.to(feature.dtype), align_corners=True)


def occlusion(feature: Tensor, motion: Motion) -> Tensor:
    """Return the occlusion map ``(N, 1, H, W)`` at the size of `feature`."""
    assert motion.occlusion is not None  # MCNet's dense motion network estimates it
    return resize(motion.occlusion, feature.shape[2], feature.shape[3], align_corners=True)


class MCNet(nn.Module):
    """Keypoint detector and generator, named as in the official checkpoints.

    config: as in the official YAML files (``common_params``, ``kp_detector_params``, ``generator_params``), and
        ``command_line`` with ``mb_channel`` and ``mb_spatial``. Variants also set ``levels`` of the generator,
        ``reading`` and the other parameters of `MemoryUnit`.
    """

    def __init__(self, config: Mapping[str, Any], frame_size: int = 256):
        super().__init__()
        common, memory = config["common_params"], config["command_line"]
        num_kp, num_channels = common["num_kp"], common.get("num_channels", 3)
        self.kp_detector = KeypointDetector(num_kp, num_channels, **config["kp_detector_params"])
        kind = PaperGenerator if memory.get("reading") == "paper" else MemoryCompensatedGenerator
        # Keys of the official files that have no effect on the released network.
        ignored = {"estimate_occlusion_map", "num_bottleneck_blocks", "memsize"}
        self.generator = kind(
            num_kp,
            num_channels,
            memory_params={key: value for key, value in memory.items() if key in UNIT_PARAMETERS},
            memory_levels=memory.get("levels"),
            frame_size=frame_size,
            **{key: value for key, value in config["generator_params"].items() if key not in ignored},
        )

    def detect(self, image: Tensor) -> Keypoints:
        """Return the keypoints of images ``(N, 3, H, W)`` in [0, 1]."""
        return self.kp_detector(image)

    def noise(self, seeds: Sequence[int], like: Tensor) -> list[Tensor | None]:
        """Return the noise of every level, one seed per sample, so that it does not depend on the batch.

        The released network draws new noise in every forward pass, in evaluation too.
        """
        return memory_noise(self.generator.mbUnit, self.generator.memory_levels, seeds, like)

    def generate(
        self, source_image: Tensor, source: Keypoints, driving: Keypoints, noise: Sequence[Tensor | None]
    ) -> Generated:
        """Return the source ``(N, 3, H, W)`` in [0, 1] animated to the driving keypoints."""
        return self.generator(source_image, source, driving, noise)
