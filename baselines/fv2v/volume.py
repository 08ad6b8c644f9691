"""Layers and geometry of feature volumes ``(N, C, D, H, W)``; only height and width are pooled and enlarged.

Coordinates are ``(x, y, z)``, z along the depth, in ``[-1, 1]`` from the first to the last element's center.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ConvNorm3d(nn.Module):
    """3x3x3 convolution, batch norm, ReLU."""

    norm_after: ClassVar[dict[str, str]] = {"conv": "norm"}

    def __init__(self, in_features: int, out_features: int):
        super().__init__()
        self.conv = nn.Conv3d(in_features, out_features, 3, padding=1)
        self.norm = nn.BatchNorm3d(out_features)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(x)))


class DownBlock3d(ConvNorm3d):
    """`ConvNorm3d`, then 2x2 average pooling of every slice."""

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool3d(super().forward(x), (1, 2, 2))


class UpBlock3d(ConvNorm3d):
    """Nearest-neighbor doubling of every slice, then `ConvNorm3d`."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.interpolate(x, scale_factor=(1, 2, 2)))


class ResBlock3d(nn.Module):
    """Pre-activation residual block, size kept."""

    norm_after: ClassVar[dict[str, str]] = {"conv1": "norm2"}

    def __init__(self, features: int):
        super().__init__()
        self.conv1 = nn.Conv3d(features, features, 3, padding=1)
        self.conv2 = nn.Conv3d(features, features, 3, padding=1)
        self.norm1 = nn.BatchNorm3d(features)
        self.norm2 = nn.BatchNorm3d(features)

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv1(F.relu(self.norm1(x)))
        return x + self.conv2(F.relu(self.norm2(out)))


class HourglassEncoder3d(nn.Module):
    """Halve every slice, level by level; return the input and the output of each level, largest first."""

    def __init__(self, widths: list[int]):
        super().__init__()
        self.down_blocks = nn.ModuleList(DownBlock3d(a, b) for a, b in zip(widths, widths[1:]))

    def forward(self, x: Tensor) -> list[Tensor]:
        levels = [x]
        for block in self.down_blocks:
            levels.append(block(levels[-1]))
        return levels


class HourglassDecoder3d(nn.Module):
    """Double each level, append the encoder's feature of that size, and end with one more convolution."""

    norm_after: ClassVar[dict[str, str]] = {"conv": "norm"}

    def __init__(self, widths: list[int], last: int):
        super().__init__()
        outs = [last, *widths[1:-1]]
        ins = [2 * width for width in outs[1:]] + [widths[-1]]
        self.up_blocks = nn.ModuleList(UpBlock3d(a, b) for a, b in reversed(list(zip(ins, outs))))
        self.out_features = last + widths[0]
        self.conv = nn.Conv3d(self.out_features, self.out_features, 3, padding=1)
        self.norm = nn.BatchNorm3d(self.out_features)

    def forward(self, levels: list[Tensor]) -> Tensor:
        out = levels[-1]
        for block, skip in zip(self.up_blocks, reversed(levels[:-1])):
            out = torch.cat([block(out), skip], dim=1)
        return F.relu(self.norm(self.conv(out)))


class Hourglass3d(nn.Module):
    """Map ``(N, in, D, H, W)`` to ``(N, block_expansion + in, D, H, W)``; H, W multiples of ``2**num_blocks``."""

    def __init__(self, block_expansion: int, in_features: int, num_blocks: int, max_features: int):
        super().__init__()
        widths = [in_features] + [min(max_features, block_expansion * 2 ** (i + 1)) for i in range(num_blocks)]
        self.encoder = HourglassEncoder3d(widths)
        self.decoder = HourglassDecoder3d(widths, min(max_features, block_expansion))
        self.out_features = self.decoder.out_features

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))


def volume_grid(depth: int, height: int, width: int, like: Tensor) -> Tensor:
    """Return a grid ``(depth, height, width, 3)`` of (x, y, z), with the device and the dtype of `like`."""
    z, y, x = (
        2 * (torch.arange(n, device=like.device, dtype=like.dtype) / (n - 1)) - 1 for n in (depth, height, width)
    )
    shape = (depth, height, width)
    parts = x.expand(shape), y[:, None].expand(shape), z[:, None, None].expand(shape)
    return torch.stack(parts, dim=-1)


def warp_volume(x: Tensor, flow: Tensor) -> Tensor:
    """Sample ``x (N, C, D, H, W)`` trilinearly at ``flow (N, D, H, W, 3)``; zeros outside, as released."""
    return F.grid_sample(x, flow, mode="bilinear", padding_mode="zeros", align_corners=False)


def resize_volume_flow(flow: Tensor, size: Sequence[int]) -> Tensor:
    """Resize a flow ``(N, D, h, w, 3)`` trilinearly to ``(N, *size, 3)``; unchanged if it has that size."""
    if tuple(flow.shape[1:4]) == tuple(size):
        return flow
    return F.interpolate(flow.movedim(-1, 1), size=tuple(size), mode="trilinear", align_corners=True).movedim(1, -1)
