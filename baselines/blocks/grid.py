"""Coordinate grids, keypoint heatmaps, and warping of images and features.

Coordinates are ``(x, y)``, x first, in ``[-1, 1]``, where -1 and 1 are the centers of the border pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def coordinate_grid(height: int, width: int, like: Tensor) -> Tensor:
    """Return a grid ``(height, width, 2)`` of (x, y), with the device and the dtype of `like`."""
    x = 2 * (torch.arange(width, device=like.device, dtype=like.dtype) / (width - 1)) - 1
    y = 2 * (torch.arange(height, device=like.device, dtype=like.dtype) / (height - 1)) - 1
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width)], dim=-1)


def gaussian_heatmaps(points: Tensor, height: int, width: int, variance: float = 0.01) -> Tensor:
    """Return Gaussians ``(N, K, height, width)`` with peak 1 at points ``(N, K, 2)`` (FOMM Eq. 6)."""
    offset = coordinate_grid(height, width, points) - points[:, :, None, None, :]
    return torch.exp(-0.5 * offset.square().sum(-1) / variance)


def warp(x: Tensor, flow: Tensor, align_corners: bool, padding: str = "zeros") -> Tensor:
    """Sample ``x (N, C, H, W)`` bilinearly at ``flow (N, h, w, 2)``, absolute (x, y) coordinates."""
    return F.grid_sample(x, flow, mode="bilinear", padding_mode=padding, align_corners=align_corners)


def resize_flow(flow: Tensor, height: int, width: int, align_corners: bool) -> Tensor:
    """Resize a flow ``(N, h, w, 2)`` bilinearly to ``(N, height, width, 2)``; unchanged if it has that size."""
    if flow.shape[1:3] == (height, width):
        return flow
    return resize(flow.permute(0, 3, 1, 2), height, width, align_corners).permute(0, 2, 3, 1)


def resize(x: Tensor, height: int, width: int, align_corners: bool) -> Tensor:
    """Resize ``(N, C, h, w)`` bilinearly to ``(N, C, height, width)``; unchanged if it has that size."""
    if x.shape[2:] == (height, width):
        return x
    return F.interpolate(x, size=(height, width), mode="bilinear", align_corners=align_corners)


def background_motion(grid: Tensor, background: Tensor | None, n: int) -> Tensor:
    """Return ``(N, 1, h, w, 2)``: the grid itself, or transformed by the homogeneous `background` ``(N, 3, 3)``."""
    h, w, _ = grid.shape
    if background is None:
        return grid.expand(n, 1, h, w, 2)
    homogeneous = torch.cat([grid, torch.ones_like(grid[..., :1])], dim=-1)
    moved = torch.einsum("nij,hwj->nhwi", background, homogeneous)
    return (moved[..., :2] / moved[..., 2:])[:, None]
