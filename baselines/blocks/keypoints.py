"""Keypoints with local affine frames (FOMM: Siarohin et al. 2019, Sec. 3.1); also in DaGAN and MCNet."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from baselines.blocks.conv import AntiAliasDownsample
from baselines.blocks.grid import coordinate_grid
from baselines.blocks.hourglass import Hourglass


@dataclass(frozen=True)
class Keypoints:
    """value: ``(N, K, 2)`` positions (x, y) in [-1, 1]; jacobian: ``(N, K, 2, 2)`` local affine maps, or None."""

    value: Tensor
    jacobian: Tensor | None = None


class KeypointDetector(nn.Module):
    """Map an image ``(N, num_channels, H, W)`` in [0, 1] to `Keypoints`.

    The two heads are 7x7 convolutions without padding, so the heatmaps are 6 pixels smaller than the hourglass output,
    and the coordinate grid covers only them; the trained models rely on that.
    """

    def __init__(
        self,
        num_kp: int,
        num_channels: int = 3,
        block_expansion: int = 32,
        max_features: int = 1024,
        num_blocks: int = 5,
        temperature: float = 0.1,
        scale_factor: float = 0.25,
    ):
        super().__init__()
        self.predictor = Hourglass(block_expansion, num_channels, num_blocks, max_features)
        self.kp = nn.Conv2d(self.predictor.out_features, num_kp, kernel_size=7)
        self.jacobian = nn.Conv2d(self.predictor.out_features, 4 * num_kp, kernel_size=7)
        nn.init.zeros_(self.jacobian.weight)
        self.jacobian.bias = nn.Parameter(torch.tensor([1.0, 0.0, 0.0, 1.0] * num_kp))  # unit matrices
        self.down = AntiAliasDownsample(num_channels, scale_factor)
        self.temperature = temperature

    def forward(self, image: Tensor) -> Keypoints:
        feature = self.predictor(self.down(image))
        logits = self.kp(feature)
        n, k, h, w = logits.shape
        # Coordinates are averages over thousands of pixels: half precision would quantize them to whole pixels.
        heatmap = torch.softmax(logits.float().flatten(2) / self.temperature, dim=2)
        value = heatmap @ coordinate_grid(h, w, heatmap).flatten(0, 1)
        jacobian = self.jacobian(feature).float().view(n, k, 4, h * w)
        jacobian = (heatmap[:, :, None] * jacobian).sum(-1).view(n, k, 2, 2)
        return Keypoints(value, jacobian)
