"""Convolution blocks of the FOMM family (Siarohin et al. 2019, supplementary "Implementation details").

Tensors are ``(N, C, H, W)`` float. Every convolution has a bias and zero padding.
The attribute names are those of the official checkpoints, so that their state dicts load as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Norm = Callable[[int], nn.Module]


def batch_norm(channels: int) -> nn.Module:
    """Return batch normalization with running statistics (FOMM, MRAA, DaGAN, MCNet)."""
    return nn.BatchNorm2d(channels)


def instance_norm(channels: int) -> nn.Module:
    """Return affine instance normalization without running statistics (TPSM)."""
    return nn.InstanceNorm2d(channels, affine=True)


class SameBlock(nn.Module):
    """Convolution, norm, ReLU at constant size: ``(N, in, H, W)`` to ``(N, out, H, W)``."""

    norm_after: ClassVar[dict[str, str]] = {"conv": "norm"}

    def __init__(self, in_features: int, out_features: int, kernel_size: int = 3, norm: Norm = batch_norm):
        super().__init__()
        self.conv = nn.Conv2d(in_features, out_features, kernel_size, padding=kernel_size // 2)
        self.norm = norm(out_features)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(x)))


class DownBlock(SameBlock):
    """`SameBlock`, then 2x2 average pooling: ``(N, in, H, W)`` to ``(N, out, H/2, W/2)``."""

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(super().forward(x), 2)


class UpBlock(SameBlock):
    """Nearest-neighbor doubling, then `SameBlock`: ``(N, in, H, W)`` to ``(N, out, 2H, 2W)``."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.interpolate(x, scale_factor=2))


class ResBlock(nn.Module):
    """Pre-activation residual block: ``x + conv(relu(norm(conv(relu(norm(x))))))``, size kept."""

    norm_after: ClassVar[dict[str, str]] = {"conv1": "norm2"}

    def __init__(self, features: int, kernel_size: int = 3, norm: Norm = batch_norm):
        super().__init__()
        self.conv1 = nn.Conv2d(features, features, kernel_size, padding=kernel_size // 2)
        self.conv2 = nn.Conv2d(features, features, kernel_size, padding=kernel_size // 2)
        self.norm1 = norm(features)
        self.norm2 = norm(features)

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv1(F.relu(self.norm1(x)))
        return x + self.conv2(F.relu(self.norm2(out)))


class AntiAliasDownsample(nn.Module):
    """Gaussian blur, then every ``1/scale``-th pixel from index 0.

    The kernel is square, normalized in 2-D, with sigma ``(1/scale - 1) / 2`` and ``2 * round(4 sigma) + 1`` taps
    (13 at scale 0.25). Borders darken, because the blur pads with zeros as the official networks do.
    The kernel is the buffer ``weight`` of the checkpoint, ``(channels, 1, k, k)``.
    """

    weight: Tensor

    def __init__(self, channels: int, scale: float):
        super().__init__()
        self.stride = round(1 / scale)
        self.channels = channels
        sigma = (1 / scale - 1) / 2
        taps = 2 * round(sigma * 4) + 1
        self.pad = taps // 2
        # On the device "meta" such functions would load torch's compiler, for more than a second.
        offsets = torch.arange(taps, dtype=torch.float32, device="cpu") - (taps - 1) / 2
        line = torch.exp(-(offsets**2) / (2 * max(sigma, 1e-12) ** 2))
        kernel = line[:, None] * line[None, :]
        kernels = (kernel / kernel.sum()).expand(channels, 1, taps, taps).clone()
        self.register_buffer("weight", kernels.to(torch.get_default_device()))

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 1:
            return x
        # A strided convolution computes only the pixels that the subsampling keeps.
        return F.conv2d(x, self.weight, stride=self.stride, padding=self.pad, groups=self.channels)
