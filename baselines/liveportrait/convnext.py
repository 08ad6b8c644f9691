"""ConvNeXt V2 (Woo et al., CVPR 2023, Secs. 3.2 and 4), "tiny", the backbone of LivePortrait's motion extractor.

Attribute names are those of the published checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

DEPTHS, WIDTHS = (3, 3, 9, 3), (96, 192, 384, 768)
EPSILON = 1e-6


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of ``(N, C, H, W)``."""

    def __init__(self, channels: int):
        super().__init__(channels, eps=EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class ResponseNorm(nn.Module):
    """Global response normalization of ``(N, H, W, C)`` (Eqs. 1 to 3): strong channels inhibit others."""

    def __init__(self, channels: int):
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1, 1, 1, channels))
        self.beta = nn.Parameter(torch.zeros(1, 1, 1, channels))

    def forward(self, x: Tensor) -> Tensor:
        # In float32: squares of thousands of pixels overflow half precision.
        response = torch.linalg.vector_norm(x.float(), dim=(1, 2), keepdim=True)
        share = (response / (response.mean(-1, keepdim=True) + EPSILON)).to(x.dtype)
        return self.gamma * (x * share) + self.beta + x


class Block(nn.Module):
    """Residual block: depthwise 7x7, then a wider pointwise layer: ``(N, C, H, W)``, size kept."""

    def __init__(self, channels: int):
        super().__init__()
        self.dwconv = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=EPSILON)
        self.pwconv1 = nn.Linear(channels, 4 * channels)
        self.act = nn.GELU()
        self.grn = ResponseNorm(4 * channels)
        self.pwconv2 = nn.Linear(4 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        wide = self.act(self.pwconv1(self.norm(self.dwconv(x).movedim(1, -1))))
        return x + self.pwconv2(self.grn(wide)).movedim(-1, 1)


class ConvNextV2(nn.Module):
    """Map an image ``(N, 3, H, W)`` to a feature ``(N, widths[-1])``; H, W multiples of 32."""

    def __init__(self, depths: Sequence[int] = DEPTHS, widths: Sequence[int] = WIDTHS):
        super().__init__()
        self.downsample_layers = nn.ModuleList(
            [nn.Sequential(nn.Conv2d(3, widths[0], 4, stride=4), ChannelNorm(widths[0]))]
        )
        for a, b in zip(widths, widths[1:]):
            self.downsample_layers.append(nn.Sequential(ChannelNorm(a), nn.Conv2d(a, b, 2, stride=2)))
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(width) for _ in range(depth))) for depth, width in zip(depths, widths)
        )
        self.norm = nn.LayerNorm(widths[-1], eps=EPSILON)

    def features(self, image: Tensor) -> Tensor:
        """Return features ``(N, widths[-1])``."""
        x = image
        for down, stage in zip(self.downsample_layers, self.stages):
            x = stage(down(x))
        return self.norm(x.mean((2, 3)))
