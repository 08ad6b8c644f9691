"""TPSM: Thin-Plate Spline Motion Model for Image Animation (Zhao and Zhang, CVPR 2022).

-1 and 1 are the centers of the border pixels; every resize and every sampling aligns corners.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from baselines.blocks.avd import AVDNetwork
from baselines.blocks.conv import AntiAliasDownsample, DownBlock, ResBlock, SameBlock, UpBlock, instance_norm
from baselines.blocks.grid import background_motion, coordinate_grid, gaussian_heatmaps, resize_flow, warp
from baselines.blocks.hourglass import Hourglass
from baselines.blocks.resnet import ResNet18
from baselines.blocks.tps import ThinPlateSpline, fit

POINTS_PER_TPS = 5


@dataclass(frozen=True)
class Motion:
    """Output of the dense motion network.

    transformations: ``(N, K+1, h, w, 2)`` source coordinates of each motion, background first.
    contributions: ``(N, K+1, h, w)``, sum to 1. flow: ``(N, h, w, 2)``.
    occlusions: four maps ``(N, 1, s, s)`` in (0, 1), coarse to fine. hourglass_input: what entered the hourglass.
    """

    spline: ThinPlateSpline
    transformations: Tensor
    contributions: Tensor
    flow: Tensor
    occlusions: tuple[Tensor, ...]
    hourglass_input: Tensor


@dataclass(frozen=True)
class Generated:
    """frame: ``(N, 3, H, W)`` in (0, 1).

    warped: the warped and occluded encoder features, coarse to fine, detached (for the warp loss).
    compensations: of an attached memory, one per level with memory.
    """

    frame: Tensor
    motion: Motion
    warped: tuple[Tensor, ...]
    compensations: tuple[Any, ...] = ()


class KeypointDetector(nn.Module):
    """Map an image ``(N, 3, H, W)`` in [0, 1] to points ``(N, 5 num_tps, 2)`` in (-1, 1), 5 per spline (Sec. 3.1)."""

    def __init__(self, num_tps: int, num_channels: int = 3, width: int = 64):
        super().__init__()
        self.fg_encoder = ResNet18(2 * POINTS_PER_TPS * num_tps, num_channels, width)

    def forward(self, image: Tensor) -> Tensor:
        points = torch.sigmoid(self.fg_encoder(image).float()) * 2 - 1
        return points.view(len(points), -1, 2)


class BackgroundPredictor(nn.Module):
    """Map source and driving image to the homogeneous background motion ``(N, 3, 3)`` (Sec. 3.1)."""

    def __init__(self, num_channels: int = 3, width: int = 64):
        super().__init__()
        self.bg_encoder = ResNet18(6, 2 * num_channels, width)
        # Training starts at the identity.
        nn.init.zeros_(self.bg_encoder.fc.weight)
        self.bg_encoder.fc.bias.data = torch.tensor([1.0, 0, 0, 0, 1, 0])

    def forward(self, source: Tensor, driving: Tensor) -> Tensor:
        rows = self.bg_encoder(torch.cat([source, driving], dim=1)).float().view(-1, 2, 3)
        last = rows.new_tensor([0.0, 0.0, 1.0]).expand(len(rows), 1, 3)
        return torch.cat([rows, last], dim=1)


class DenseMotionNetwork(nn.Module):
    """Combine the splines' motions to one flow, and predict occlusion at four sizes (Sec. 3.2)."""

    def __init__(
        self,
        num_tps: int,
        num_channels: int = 3,
        block_expansion: int = 64,
        max_features: int = 1024,
        num_blocks: int = 5,
        scale_factor: float = 0.25,
    ):
        super().__init__()
        self.down = AntiAliasDownsample(num_channels, scale_factor)
        in_features = num_channels * (num_tps + 1) + POINTS_PER_TPS * num_tps + 1
        self.hourglass = Hourglass(block_expansion, in_features, num_blocks, max_features, instance_norm)
        coarse, fine = self.hourglass.decoder.level_features[-2:]
        self.maps = nn.Conv2d(fine, num_tps + 1, kernel_size=7, padding=3)
        widths = [fine, fine // 2, fine // 4]
        self.up = nn.ModuleList(UpBlock(a, b, norm=instance_norm) for a, b in zip(widths, widths[1:]))
        self.occlusion = nn.ModuleList(nn.Conv2d(n, 1, kernel_size=7, padding=3) for n in (coarse, *widths))

    def forward(
        self,
        source_image: Tensor,
        source: Tensor,
        driving: Tensor,
        background: Tensor | None = None,
        keep: Tensor | None = None,
    ) -> Motion:
        """Return the motion. source, driving: points ``(N, 5K, 2)``; background: ``(N, 3, 3)``.

        keep: bool ``(N, K+1)``, the motions that survive dropout; for training only (Eq. 9).
        """
        small = self.down(source_image)
        n, channels, h, w = small.shape
        groups = (n, -1, POINTS_PER_TPS, 2)
        spline = fit(driving.view(groups), source.view(groups))
        grid = coordinate_grid(h, w, driving)
        motions = spline(grid.view(-1, 2)).view(n, -1, h, w, 2)
        motions = torch.cat([background_motion(grid, background, n), motions], dim=1)
        count = motions.shape[1]
        copies = small[:, None].expand(n, count, channels, h, w).flatten(0, 1)
        warped = warp(copies, motions.flatten(0, 1), align_corners=True).view(n, -1, h, w)
        heatmaps = gaussian_heatmaps(driving, h, w) - gaussian_heatmaps(source, h, w)
        hourglass_input = torch.cat([torch.zeros_like(heatmaps[:, :1]), heatmaps, warped], dim=1)
        coarse, fine = self.hourglass.levels(hourglass_input)[-2:]
        contributions = surviving_softmax(self.maps(fine).float(), keep)
        flow = (contributions[..., None] * motions).sum(1)
        features = [coarse, fine]
        for block in self.up:
            features.append(block(features[-1]))
        occlusions = tuple(torch.sigmoid(conv(x).float()) for conv, x in zip(self.occlusion, features))
        return Motion(spline, motions, contributions, flow, occlusions, hourglass_input)


def surviving_softmax(logits: Tensor, keep: Tensor | None) -> Tensor:
    """Return the softmax over motions ``(N, K+1, h, w)``; with `keep` ``(N, K+1)`` only over those, others get 0."""
    if keep is None:
        return torch.softmax(logits, dim=1)
    exponentials = torch.exp(logits - logits.amax(1, keepdim=True)) * keep[:, :, None, None]
    return exponentials / (exponentials.sum(1, keepdim=True) + 1e-6)


class InpaintingNetwork(nn.Module):
    """U-Net that warps and masks the source's features at four sizes and inpaints the rest (Sec. 3.3)."""

    def __init__(
        self, num_channels: int = 3, block_expansion: int = 64, max_features: int = 512, num_down_blocks: int = 3
    ):
        super().__init__()
        widths = [min(max_features, block_expansion * 2**i) for i in range(num_down_blocks + 1)]
        self.first = SameBlock(num_channels, block_expansion, kernel_size=7, norm=instance_norm)
        self.down_blocks = nn.ModuleList(DownBlock(a, b, norm=instance_norm) for a, b in zip(widths, widths[1:]))
        ups, residuals = [], []
        for i in reversed(range(num_down_blocks)):
            joined = widths[i + 1] if i == num_down_blocks - 1 else 2 * widths[i + 1]
            residuals += [ResBlock(joined, norm=instance_norm), ResBlock(joined, norm=instance_norm)]
            ups.append(UpBlock(joined, widths[i], norm=instance_norm))
        self.up_blocks = nn.ModuleList(ups)
        self.resblock = nn.ModuleList(residuals)
        self.final = nn.Conv2d(block_expansion, num_channels, kernel_size=7, padding=3)

    def encode(self, image: Tensor) -> list[Tensor]:
        """Return encoder features, fine to coarse."""
        features = [self.first(image)]
        for block in self.down_blocks:
            features.append(block(features[-1]))
        return features

    def encode_driving(self, image: Tensor, occlusions: tuple[Tensor, ...]) -> list[Tensor]:
        """Return masked features of the driving frame, coarse to fine, to compare with `Generated.warped` (warp loss).

        Levels are detached from one another, so that each level's loss trains that level only (Eq. 12).
        """
        features = [self.first(image)]
        for block in self.down_blocks:
            features.append(block(features[-1].detach()))
        return [feature * occlusion.detach() for feature, occlusion in zip(reversed(features), occlusions)]

    def forward(
        self,
        source_image: Tensor,
        motion: Motion,
        compensate: Callable[[list[Tensor]], list[Tensor]] = lambda visible: visible,
    ) -> Generated:
        """Return the frame. compensate: applied to the warped and masked features, coarse to fine (MCNet's memory)."""
        coarse_to_fine = list(reversed(self.encode(source_image)))
        moved = [self._warp(feature, motion.flow) for feature in coarse_to_fine]
        visible = compensate([feature * occlusion for feature, occlusion in zip(moved, motion.occlusions)])
        out = visible[0]
        for i, up in enumerate(self.up_blocks):
            if i:
                out = torch.cat([out, visible[i]], dim=1)
            out = up(self.resblock[2 * i + 1](self.resblock[2 * i](out)))
        finest = motion.occlusions[-1]
        out = torch.sigmoid(self.final(out * (1 - finest) + visible[-1]))
        frame = out * (1 - finest) + self._warp(source_image, motion.flow) * finest
        warped = tuple(feature * occlusion.detach() for feature, occlusion in zip(moved, motion.occlusions))
        return Generated(frame, motion, warped)

    @staticmethod
    def _warp(feature: Tensor, flow: Tensor) -> Tensor:
        flow = resize_flow(flow, feature.shape[2], feature.shape[3], align_corners=True)
        return warp(feature, flow.to(feature.dtype), align_corners=True)


class TPSM(nn.Module):
    """All networks, named as in the official checkpoints.

    config: as in the official YAML files: ``common_params``, ``generator_params``, ``dense_motion_params``,
        ``avd_network_params``; a reduced network adds ``width`` of its ResNets to ``common_params``.
    """

    def __init__(self, config: Mapping[str, Any]):
        super().__init__()
        common = config["common_params"]
        num_tps, channels, width = common["num_tps"], common.get("num_channels", 3), common.get("width", 64)
        self.kp_detector = KeypointDetector(num_tps, channels, width)
        self.dense_motion_network = DenseMotionNetwork(num_tps, channels, **config["dense_motion_params"])
        self.inpainting_network = InpaintingNetwork(channels, **config["generator_params"])
        self.bg_predictor = BackgroundPredictor(channels, width) if common.get("bg") else None
        avd = config.get("avd_network_params")
        self.avd_network = AVDNetwork(2 * POINTS_PER_TPS * num_tps, **avd) if avd else None

    def detect(self, image: Tensor) -> Tensor:
        """Return the points ``(N, 5K, 2)`` of images ``(N, 3, H, W)`` in [0, 1]."""
        return self.kp_detector(image)

    def generate(
        self,
        source_image: Tensor,
        source: Tensor,
        driving: Tensor,
        background: Tensor | None = None,
        keep: Tensor | None = None,
    ) -> Generated:
        """Return the source animated to the driving points; background, keep: see `DenseMotionNetwork.forward`."""
        motion = self.dense_motion_network(source_image, source, driving, background, keep)
        return self.inpainting_network(source_image, motion)
