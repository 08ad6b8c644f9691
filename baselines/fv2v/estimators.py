"""Estimators of face-vid2vid: canonical 3D keypoints of the source, pose and expression of any frame."""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.blocks.conv import AntiAliasDownsample, DownBlock
from baselines.fv2v.pose import Pose, expected_angle, expected_point
from baselines.fv2v.volume import UpBlock3d, volume_grid


class KeypointHourglass(nn.Module):
    """Map an image ``(N, C, h, w)`` to a volume ``(N, block_expansion, D, h, w)``: down in 2D, up in 3D, no skips."""

    def __init__(
        self,
        in_features: int,
        block_expansion: int,
        max_features: int,
        num_blocks: int,
        reshape_channel: int,
        reshape_depth: int,
    ):
        super().__init__()
        widths = [in_features] + [min(max_features, block_expansion * 2 ** (i + 1)) for i in range(num_blocks)]
        self.depth = reshape_depth
        down = [(f"down{i}", DownBlock(a, b)) for i, (a, b) in enumerate(zip(widths, widths[1:]))]
        self.down_blocks = nn.Sequential(OrderedDict(down))
        self.conv = nn.Conv2d(widths[-1], reshape_channel, 1)
        volume = [reshape_channel // reshape_depth]
        volume += [min(max_features, block_expansion * 2**i) for i in reversed(range(num_blocks))]
        up = [(f"up{i}", UpBlock3d(a, b)) for i, (a, b) in enumerate(zip(volume, volume[1:]))]
        self.up_blocks = nn.Sequential(OrderedDict(up))
        self.out_features = volume[-1]

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(self.down_blocks(x))
        return self.up_blocks(x.unflatten(1, (-1, self.depth)))


class CanonicalKeypointDetector(nn.Module):
    """Map an image ``(N, 3, H, W)`` in [0, 1] to canonical keypoints ``(N, K, 3)`` in [-1, 1] (Sec. 3.1).

    scale_factor: 1 for the "beta" checkpoints, which have no downsampling kernel.
    """

    def __init__(
        self,
        num_kp: int,
        image_channel: int = 3,
        block_expansion: int = 32,
        max_features: int = 1024,
        num_blocks: int = 5,
        reshape_channel: int = 16384,
        reshape_depth: int = 16,
        temperature: float = 0.1,
        scale_factor: float = 0.25,
    ):
        super().__init__()
        self.predictor = KeypointHourglass(
            image_channel, block_expansion, max_features, num_blocks, reshape_channel, reshape_depth
        )
        self.kp = nn.Conv3d(self.predictor.out_features, num_kp, 3, padding=1)
        self.down = nn.Identity() if scale_factor == 1 else AntiAliasDownsample(image_channel, scale_factor)
        self.temperature = temperature

    def forward(self, image: Tensor) -> Tensor:
        logits = self.kp(self.predictor(self.down(image)))
        grid = volume_grid(logits.shape[2], logits.shape[3], logits.shape[4], image.float())
        return expected_point(logits, self.temperature, grid)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolution around a shortcut; a strided block has a convolution on its shortcut too."""

    norm_after: ClassVar[dict[str, str]] = {"conv1": "norm1", "conv2": "norm2", "conv3": "norm3", "skip": "norm4"}

    def __init__(self, features: int, stride: int = 1):
        super().__init__()
        narrow = features // 4
        self.conv1 = nn.Conv2d(features, narrow, 1)
        self.conv2 = nn.Conv2d(narrow, narrow, 3, stride=stride, padding=1)
        self.conv3 = nn.Conv2d(narrow, features, 1)
        self.norm1, self.norm2, self.norm3 = (nn.BatchNorm2d(n) for n in (narrow, narrow, features))
        self.strided = stride != 1
        if self.strided:
            self.skip = nn.Conv2d(features, features, 1, stride=stride)
            self.norm4 = nn.BatchNorm2d(features)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.norm1(self.conv1(x)))
        out = F.relu(self.norm2(self.conv2(out)))
        return F.relu(self.norm3(self.conv3(out)) + (self.norm4(self.skip(x)) if self.strided else x))


class PoseExpressionEstimator(nn.Module):
    """Map an image ``(N, 3, H, W)`` in [0, 1] to `Pose`: a ResNet-50 that widens between its stages.

    The heads are swapped in the checkpoints: ``fc_roll`` gives the yaw, ``fc_yaw`` the roll.
    side: average frames to this side first (a reduced network); None: full frames, as released.
    """

    norm_after: ClassVar[dict[str, str]] = {f"conv{i}": f"norm{i}" for i in range(1, 6)}
    conv2: nn.Conv2d
    conv3: nn.Conv2d
    conv4: nn.Conv2d
    conv5: nn.Conv2d
    norm2: nn.BatchNorm2d
    norm3: nn.BatchNorm2d
    norm4: nn.BatchNorm2d
    norm5: nn.BatchNorm2d

    def __init__(
        self,
        num_kp: int,
        image_channel: int = 3,
        block_expansion: int = 64,
        num_bins: int = 66,
        side: int | None = None,
    ):
        super().__init__()
        self.side = side
        widths = [block_expansion * 2**i for i in (0, 2, 3, 4, 5)]
        self.conv1 = nn.Conv2d(image_channel, widths[0], 7, stride=2, padding=3)
        self.norm1 = nn.BatchNorm2d(widths[0])
        for i, (a, b) in enumerate(zip(widths, widths[1:]), start=2):
            self.add_module(f"conv{i}", nn.Conv2d(a, b, 1))
            self.add_module(f"norm{i}", nn.BatchNorm2d(b))
        self.block1 = _stage(1, widths[1], 3)
        self.block2, self.block3 = Bottleneck(widths[2], 2), _stage(3, widths[2], 3)
        self.block4, self.block5 = Bottleneck(widths[3], 2), _stage(5, widths[3], 5)
        self.block6, self.block7 = Bottleneck(widths[4], 2), _stage(7, widths[4], 2)
        self.fc_roll = nn.Linear(widths[4], num_bins)
        self.fc_pitch = nn.Linear(widths[4], num_bins)
        self.fc_yaw = nn.Linear(widths[4], num_bins)
        self.fc_t = nn.Linear(widths[4], 3)
        self.fc_exp = nn.Linear(widths[4], 3 * num_kp)

    def features(self, image: Tensor) -> Tensor:
        """Return features ``(N, 32 * block_expansion)``."""
        image = image if self.side is None else F.adaptive_avg_pool2d(image, self.side)
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(image))), 3, stride=2, padding=1)
        x = self.block1(F.relu(self.norm2(self.conv2(x))))
        x = self.block3(self.block2(F.relu(self.norm3(self.conv3(x)))))
        x = self.block5(self.block4(F.relu(self.norm4(self.conv4(x)))))
        x = self.block7(self.block6(F.relu(self.norm5(self.conv5(x)))))
        return torch.flatten(F.adaptive_avg_pool2d(x, 1), 1)

    def forward(self, image: Tensor) -> Pose:
        x = self.features(image)
        yaw, pitch, roll = (expected_angle(head(x)) for head in (self.fc_roll, self.fc_pitch, self.fc_yaw))
        return Pose(yaw, pitch, roll, self.fc_t(x).float(), self.fc_exp(x).float().unflatten(1, (-1, 3)))


def _stage(number: int, features: int, count: int) -> nn.Sequential:
    return nn.Sequential(OrderedDict((f"b{number}_{i}", Bottleneck(features)) for i in range(count)))
