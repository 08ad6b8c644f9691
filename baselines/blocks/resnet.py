"""ResNet-18 (He et al. 2016) under torchvision's parameter names, of any width and number of input channels."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut; the first may halve the size."""

    norm_after: ClassVar[dict[str, str]] = {"conv1": "bn1", "conv2": "bn2"}

    def __init__(self, in_features: int, features: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(in_features, features, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(features)
        self.conv2 = nn.Conv2d(features, features, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(features)
        self.downsample: nn.Module
        if stride != 1 or in_features != features:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_features, features, 1, stride=stride, bias=False), nn.BatchNorm2d(features)
            )
        else:
            self.downsample = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(out + self.downsample(x))


class ResNet18(nn.Module):
    """Map ``(N, in_channels, H, W)`` to ``(N, out_features)``; width 64 is the published one."""

    norm_after: ClassVar[dict[str, str]] = {"conv1": "bn1"}

    def __init__(self, out_features: int, in_channels: int = 3, width: int = 64):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        widths = [width, width, 2 * width, 4 * width, 8 * width]
        for i, (a, b) in enumerate(zip(widths, widths[1:]), start=1):
            self.add_module(f"layer{i}", nn.Sequential(BasicBlock(a, b, 1 if i == 1 else 2), BasicBlock(b, b, 1)))
        self.fc = nn.Linear(widths[-1], out_features)

    def features(self, x: Tensor) -> list[Tensor]:
        """Return features, fine to coarse: of the first convolution (half the size) and each layer (a quarter on)."""
        features = [F.relu(self.bn1(self.conv1(x)))]
        x = F.max_pool2d(features[0], 3, stride=2, padding=1)
        for i in range(1, 5):
            x = getattr(self, f"layer{i}")(x)
            features.append(x)
        return features

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(self.features(x)[-1], 1), 1))
