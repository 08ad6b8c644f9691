"""Relative motion: move the source's keypoints as the driving ones moved since an initial frame (FOMM Sec. 3.4)."""

from __future__ import annotations

import torch
from scipy.spatial import ConvexHull, QhullError
from torch import Tensor

from baselines.blocks.keypoints import Keypoints


def hull_area(points: Tensor) -> Tensor:
    """Area of the convex hull of each item of ``(N, K, 2)``, ``(N,)``; NaN for points on a line or non-finite ones."""
    areas = []
    for item in points.detach().cpu().numpy():
        try:
            areas.append(ConvexHull(item).volume)  # in two dimensions `volume` is the area
        except (QhullError, ValueError):  # ValueError: a point is not finite
            areas.append(float("nan"))
    return torch.tensor(areas, dtype=points.dtype, device=points.device)


def movement_scale(source: Tensor, initial: Tensor) -> Tensor:
    """sqrt(hull area of the source's points) / sqrt(that of the initial driving points), ``(N,)``.

    The released code takes the scale of the first item for a whole batch; here each pair has its own.
    """
    return torch.sqrt(hull_area(source)) / torch.sqrt(hull_area(initial))


def relative_points(source: Tensor, driving: Tensor, initial: Tensor, scale: Tensor | float = 1.0) -> Tensor:
    """``source + scale * (driving - initial)``, all ``(N, K, 2)``; scale: a number or ``(N,)``."""
    factor = scale[:, None, None] if isinstance(scale, Tensor) else scale
    return (driving - initial) * factor + source


def relative_keypoints(
    source: Keypoints, driving: Keypoints, initial: Keypoints, adapt_scale: bool, with_jacobian: bool = True
) -> Keypoints:
    """Driving keypoints for the source's geometry: positions as `relative_points`, jacobians J_D J_D0^-1 J_S.

    adapt_scale: multiply the movement by `movement_scale`. with_jacobian: False leaves the jacobians as detected.
    """
    scale = movement_scale(source.value, initial.value) if adapt_scale else 1.0
    value = relative_points(source.value, driving.value, initial.value, scale)
    if driving.jacobian is None or not with_jacobian:
        return Keypoints(value, driving.jacobian)
    return Keypoints(value, driving.jacobian @ torch.linalg.inv(initial.jacobian) @ source.jacobian)
