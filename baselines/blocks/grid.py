"""Coordinate grids, keypoint heatmaps and the warping of images and features.

Coordinates are ``(x, y)``, x first, in ``[-1, 1]``, where -1 and 1 are the centres of the border pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_FEW = 8  # channels; with these torch is faster in its own way


def coordinate_grid(height: int, width: int, like: Tensor) -> Tensor:
    """``(height, width, 2)`` grid of (x, y), with the device and the dtype of `like`."""
    x = 2 * (torch.arange(width, device=like.device, dtype=like.dtype) / (width - 1)) - 1
    y = 2 * (torch.arange(height, device=like.device, dtype=like.dtype) / (height - 1)) - 1
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width)], dim=-1)


def gaussian_heatmaps(points: Tensor, height: int, width: int, variance: float = 0.01) -> Tensor:
    """``(N, K, 2)`` points to ``(N, K, height, width)`` Gaussians with peak 1 (FOMM Eq. 6)."""
    offset = coordinate_grid(height, width, points) - points[:, :, None, None, :]
    return torch.exp(-0.5 * offset.square().sum(-1) / variance)


def warp(x: Tensor, flow: Tensor, align_corners: bool, padding: str = "zeros") -> Tensor:
    """Sample ``x (N, C, H, W)`` bilinearly at ``flow (N, h, w, 2)``, absolute (x, y) coordinates."""
    if padding == "zeros" and _in_rows(x, flow):
        return _warp_rows(x, flow, align_corners)
    return F.grid_sample(x, flow, mode="bilinear", padding_mode=padding, align_corners=align_corners)


def _in_rows(x: Tensor, flow: Tensor) -> bool:
    """Whether each pixel's channels lie side by side in memory, so that a sum of four rows is all there is to do.

    It pays where they are many.
    """
    ordered = x.shape[1] > _FEW and x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    exact = x.dtype == flow.dtype == torch.float32 and x.device.type == "cpu"
    return len(x) == 1 and ordered and exact and not torch.is_grad_enabled()


def _warp_rows(x: Tensor, flow: Tensor, align_corners: bool) -> Tensor:
    """`warp` of one sample in channels-last order, which the result has, too."""
    channels, height, width = x.shape[1:]
    left, right, near_left, near_right = _neighbours(flow[..., 0].flatten(), width, align_corners)
    top, bottom, near_top, near_bottom = _neighbours(flow[..., 1].flatten(), height, align_corners)
    top, bottom = top * width, bottom * width
    places = torch.stack([top + left, top + right, bottom + left, bottom + right], dim=1)
    shares = [near_top * near_left, near_top * near_right, near_bottom * near_left, near_bottom * near_right]
    rows = x[0].permute(1, 2, 0).reshape(height * width, channels)
    found = F.embedding_bag(places, rows, mode="sum", per_sample_weights=torch.stack(shares, dim=1))
    return found.view(1, *flow.shape[1:3], channels).permute(0, 3, 1, 2)


def _neighbours(at: Tensor, size: int, align_corners: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The elements before and after coordinates ``(P)`` on an axis of `size` elements, and the share of each.

    Outside of the axis the share is zero, and the element any.
    """
    at = (at + 1) * ((size - 1) / 2) if align_corners else (at + 1) * (size / 2) - 0.5
    at = at.clamp(-2, size + 1)  # what is farther away must fit into an integer
    floor = at.floor()
    past, before = at - floor, floor.int()
    share = (1 - past) * ((before >= 0) & (before < size)), past * ((before >= -1) & (before < size - 1))
    return before.clamp(0, size - 1), (before + 1).clamp(0, size - 1), *share


def resize_flow(flow: Tensor, height: int, width: int, align_corners: bool) -> Tensor:
    """Bilinear resize of a flow ``(N, h, w, 2)`` to ``(N, height, width, 2)``; unchanged if it has that size."""
    if flow.shape[1:3] == (height, width):
        return flow
    return resize(flow.permute(0, 3, 1, 2), height, width, align_corners).permute(0, 2, 3, 1)


def resize(x: Tensor, height: int, width: int, align_corners: bool) -> Tensor:
    """Bilinear resize of ``(N, C, h, w)`` to ``(N, C, height, width)``; unchanged if it has that size."""
    if x.shape[2:] == (height, width):
        return x
    if x.shape[1] <= _FEW:
        x = x.contiguous()  # in channels-last order torch takes each channel's pixels one by one
    return F.interpolate(x, size=(height, width), mode="bilinear", align_corners=align_corners)


def background_motion(grid: Tensor, background: Tensor | None, n: int) -> Tensor:
    """``(N, 1, h, w, 2)``: the identity, or the grid under the homogeneous transform ``(N, 3, 3)``."""
    h, w, _ = grid.shape
    if background is None:
        return grid.expand(n, 1, h, w, 2)
    homogeneous = torch.cat([grid, torch.ones_like(grid[..., :1])], dim=-1)
    moved = torch.einsum("nij,hwj->nhwi", background, homogeneous)
    return (moved[..., :2] / moved[..., 2:])[:, None]
