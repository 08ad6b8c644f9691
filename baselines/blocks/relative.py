"""Relative motion: add the driving keypoints' movement since an initial frame to the source's (FOMM Sec. 3.4)."""

from __future__ import annotations

import torch
from scipy.spatial import ConvexHull, QhullError
from torch import Tensor

from baselines.blocks.keypoints import Keypoints

FLAT = 1e-14  # a hull is a line, up to rounding, if its area is below this share of its squared width


def hull_area(points: Tensor) -> Tensor:
    """Return the areas ``(N,)`` of the convex hulls of ``(N, K, 2)``; NaN for points on a line or non-finite ones.

    Computed for all items at once, in float64 on the points' device. The segment from one point to another is a side
    of the hull if no point is to its right and all points on its line are between its ends. The area is half the sum
    of the cross products of the sides' ends.
    """
    x = points.detach().double()
    x = x - x[:, :1]  # exact in float64, as is the side of a line that a point is on
    step = x[:, None, :, :] - x[:, :, None, :]  # from i to j
    left = _cross(step[:, :, :, None], step[:, :, None, :])  # positive: k is to the left of the line from i to j
    along = (step[:, :, :, None] * step[:, :, None, :]).sum(-1)
    length = step.square().sum(-1)
    between = (along >= 0) & (along <= length[..., None])
    earlier = torch.ones_like(length[0]).tril(-1).bool()
    copies = ((length == 0) & earlier).any(2)  # equal to an earlier point
    side = ((left > 0) | ((left == 0) & between)).all(3) & (length > 0) & ~copies[:, :, None] & ~copies[:, None, :]
    area = torch.where(side, _cross(x[:, :, None], x[:, None, :]), 0.0).sum((1, 2)) / 2
    return torch.where(area > FLAT * length.amax((1, 2)), area, torch.nan).to(points.dtype)


def hull_volume(points: Tensor) -> Tensor:
    """Return the volumes ``(N,)`` of the convex hulls of ``(N, K, 3)``; NaN for points in a plane or non-finite ones.

    Computed by Qhull on the CPU; the points of the whole batch are transferred at once.
    """
    volumes = []
    for item in points.detach().cpu().numpy():
        try:
            volumes.append(ConvexHull(item).volume)
        except (QhullError, ValueError):  # ValueError: a point is not finite
            volumes.append(float("nan"))
    return torch.tensor(volumes, dtype=points.dtype).to(points.device)


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def movement_scale(source: Tensor, initial: Tensor) -> Tensor:
    """Return sqrt(hull of the source's points) / sqrt(hull of the initial driving points), ``(N,)``.

    The hull's area for points ``(N, K, 2)``, its volume for ``(N, K, 3)``; the released code takes the square root of
    either. It also uses the first item's scale for a whole batch; here each pair has its own.
    """
    size = {2: hull_area, 3: hull_volume}[source.shape[-1]]
    both = torch.sqrt(size(torch.cat((source, initial))))  # in one call: each 3D hull call synchronizes the device
    return both[: len(source)] / both[len(source) :]


def relative_points(source: Tensor, driving: Tensor, initial: Tensor, scale: Tensor | float = 1.0) -> Tensor:
    """Return ``source + scale * (driving - initial)``, all ``(N, K, 2)``; scale: a number or ``(N,)``."""
    factor = scale[:, None, None] if isinstance(scale, Tensor) else scale
    return (driving - initial) * factor + source


def relative_keypoints(
    source: Keypoints, driving: Keypoints, initial: Keypoints, adapt_scale: bool, with_jacobian: bool = True
) -> Keypoints:
    """Return keypoints for the source's geometry: positions of `relative_points`, jacobians J_D J_D0^-1 J_S.

    adapt_scale: multiply the movement by `movement_scale`. with_jacobian: False leaves the jacobians as detected.
    """
    scale = movement_scale(source.value, initial.value) if adapt_scale else 1.0
    value = relative_points(source.value, driving.value, initial.value, scale)
    if driving.jacobian is None or not with_jacobian:
        return Keypoints(value, driving.jacobian)
    return Keypoints(value, driving.jacobian @ torch.linalg.inv(initial.jacobian) @ source.jacobian)
