"""MRAA's regions: center and affine map of each part (Siarohin et al. 2021, Sec. 3.2)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from baselines.blocks.conv import AntiAliasDownsample
from baselines.blocks.grid import coordinate_grid
from baselines.blocks.hourglass import Hourglass
from baselines.blocks.relative import movement_scale, relative_points


@dataclass(frozen=True)
class Regions:
    """shift: ``(N, K, 2)`` centers (x, y) in [-1, 1]; covar: ``(N, K, 2, 2)``; affine: ``(N, K, 2, 2)``, covar's root.

    u: ``(N, K, 2, 2)`` principal axes, d: ``(N, K, 2, 2)`` diagonal standard deviations, affine = u d; None for
    regions that were computed, not detected. heatmap: ``(N, K, h, w)`` probabilities, or None.
    """

    shift: Tensor
    covar: Tensor
    affine: Tensor
    u: Tensor | None = None
    d: Tensor | None = None
    heatmap: Tensor | None = None


class RegionPredictor(nn.Module):
    """Map an image ``(N, 3, H, W)`` in [0, 1] to `Regions`: moments of the heatmaps, and their PCA."""

    def __init__(
        self,
        num_regions: int,
        num_channels: int = 3,
        block_expansion: int = 32,
        max_features: int = 1024,
        num_blocks: int = 5,
        temperature: float = 0.1,
        scale_factor: float = 0.25,
    ):
        super().__init__()
        self.predictor = Hourglass(block_expansion, num_channels, num_blocks, max_features)
        self.regions = nn.Conv2d(self.predictor.out_features, num_regions, kernel_size=7, padding=3)
        self.down = AntiAliasDownsample(num_channels, scale_factor)
        self.temperature = temperature

    def forward(self, image: Tensor) -> Regions:
        logits = self.regions(self.predictor(self.down(image))).float()
        heatmap = torch.softmax(logits.flatten(2) / self.temperature, dim=2)
        grid = coordinate_grid(logits.shape[2], logits.shape[3], heatmap).flatten(0, 1)
        shift = heatmap @ grid
        offset = grid - shift[:, :, None]
        covar = (heatmap[..., None] * offset).transpose(2, 3) @ offset
        u, deviations = principal_axes(covar)
        d = torch.diag_embed(deviations)
        return Regions(shift, covar, u @ d, u, d, heatmap.view(logits.shape))


def principal_axes(covar: Tensor) -> tuple[Tensor, Tensor]:
    """Return axes ``(…, 2, 2)`` and standard deviations ``(…, 2)``, larger first, of covariances ``(…, 2, 2)``.

    The signs are those of LAPACK's singular value decomposition on a CPU, with which the released model and its AVD
    network were trained. The closed form gives the same signs on every device, without a transfer.
    """
    matrix = covar.double()
    p, q, r = matrix[..., 0, 0], matrix[..., 0, 1], matrix[..., 1, 1]
    middle, radius = (p + r) / 2, torch.hypot((p - r) / 2, q)
    larger = middle + radius
    smaller = (p * r - q * q).clamp(min=0) / larger.clamp(min=1e-300)
    angle = torch.atan2(2 * q, p - r) / 2
    sign = torch.where((q > 0) & (2 * q.square() < p * (r - p)), 1.0, -1.0)
    c, s = sign * torch.cos(angle), sign * torch.sin(angle)
    u = torch.stack([torch.stack([c, s], -1), torch.stack([s, -c], -1)], -2)
    diagonal = torch.eye(2, dtype=u.dtype, device=u.device)
    diagonal = torch.where((p >= r)[..., None, None], diagonal, diagonal.flip(-1))
    u = torch.where((q == 0)[..., None, None], diagonal, u)
    return u.to(covar.dtype), torch.stack([larger, smaller], -1).clamp(min=0).sqrt().to(covar.dtype)


def relative_regions(source: Regions, driving: Regions, initial: Regions, adapt_scale: bool) -> Regions:
    """Return the source's regions, moved by the driving regions' movement since the initial frame.

    The covariances stay those of the driving frame, as released. adapt_scale: see `movement_scale`; the released code
    always does it.
    """
    scale = movement_scale(source.shift, initial.shift) if adapt_scale else 1.0
    shift = relative_points(source.shift, driving.shift, initial.shift, scale)
    return Regions(shift, driving.covar, driving.affine @ torch.linalg.inv(initial.affine) @ source.affine)
