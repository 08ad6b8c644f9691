"""Dense motion from sparse keypoint motions (FOMM Sec. 3.2); also in DaGAN, MCNet and, with regions, MRAA."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from baselines.blocks.conv import AntiAliasDownsample
from baselines.blocks.grid import coordinate_grid, gaussian_heatmaps, warp
from baselines.blocks.hourglass import Hourglass
from baselines.blocks.keypoints import Keypoints


@dataclass(frozen=True)
class Motion:
    """Output of the dense motion network at its size ``(h, w)``, a quarter of the frame in the official networks.

    flow: ``(N, h, w, 2)`` source coordinates for every driving position.
    occlusion: ``(N, 1, h, w)`` in (0, 1); 0 where the source does not show the content; None from a network that does
    not estimate it.
    mask: ``(N, K+1, h, w)``, sums to 1 over the motions, background first.
    hourglass_input: ``(N, (K+1)*4, h, w)``, per motion a heatmap difference and the source warped by it.
    """

    flow: Tensor
    occlusion: Tensor | None
    mask: Tensor
    hourglass_input: Tensor


def sparse_motions(source: Keypoints, driving: Keypoints, height: int, width: int) -> Tensor:
    """Return source coordinates ``(N, K+1, height, width, 2)``: the identity, then FOMM Eq. 4 per keypoint.

    ``T_k(z) = p_S + J_S J_D^-1 (z - p_D)``; without jacobians a pure shift.
    """
    grid = coordinate_grid(height, width, source.value)
    offset = grid - driving.value[:, :, None, None]
    if driving.jacobian is not None:
        jacobian = source.jacobian @ torch.linalg.inv(driving.jacobian)
        offset = torch.einsum("nkij,nkhwj->nkhwi", jacobian, offset)
    motions = offset + source.value[:, :, None, None]
    return torch.cat([grid.expand_as(motions[:, :1]), motions], dim=1)


class DenseMotionNetwork(nn.Module):
    """Map a source image ``(N, 3, H, W)`` and two sets of keypoints to `Motion`.

    align_corners: for sampling the downsampled source image; False is the default of current torch, True was the
        behavior before torch 1.3, with which FOMM was published.
    """

    def __init__(
        self,
        num_kp: int,
        num_channels: int = 3,
        block_expansion: int = 64,
        max_features: int = 1024,
        num_blocks: int = 5,
        scale_factor: float = 0.25,
        align_corners: bool = False,
        estimate_occlusion: bool = True,
    ):
        super().__init__()
        self.hourglass = Hourglass(block_expansion, (num_kp + 1) * (num_channels + 1), num_blocks, max_features)
        self.mask = nn.Conv2d(self.hourglass.out_features, num_kp + 1, kernel_size=7, padding=3)
        self.occlusion = nn.Conv2d(self.hourglass.out_features, 1, 7, padding=3) if estimate_occlusion else None
        self.down = AntiAliasDownsample(num_channels, scale_factor)
        self.align_corners = align_corners

    def forward(self, source_image: Tensor, source: Keypoints, driving: Keypoints) -> Motion:
        small = self.down(source_image)
        h, w = small.shape[2:]
        heatmaps = gaussian_heatmaps(driving.value, h, w) - gaussian_heatmaps(source.value, h, w)
        return self.mix(small, heatmaps, sparse_motions(source, driving, h, w))

    def mix(self, small: Tensor, heatmaps: Tensor, motions: Tensor) -> Motion:
        """Blend the motions by the mask (FOMM Eq. 7), and predict the occlusion.

        small: the source, ``(N, C, h, w)``; heatmaps: ``(N, K, h, w)``, driving minus source, one per motion;
        motions: source coordinates ``(N, K+1, h, w, 2)``, background first.
        """
        n, channels, h, w = small.shape
        heatmaps = torch.cat([torch.zeros_like(heatmaps[:, :1]), heatmaps], dim=1)
        count = motions.shape[1]
        copies = small[:, None].expand(n, count, channels, h, w).flatten(0, 1)
        warped = warp(copies, motions.flatten(0, 1), self.align_corners).view(n, count, channels, h, w)
        hourglass_input = torch.cat([heatmaps[:, :, None], warped], dim=2).flatten(1, 2)
        feature = self.hourglass(hourglass_input)
        mask = torch.softmax(self.mask(feature).float(), dim=1)
        flow = (mask[..., None] * motions).sum(1)
        occlusion = None if self.occlusion is None else torch.sigmoid(self.occlusion(feature).float())
        return Motion(flow, occlusion, mask, hourglass_input)
