"""Thin-plate splines between small sets of points (Bookstein 1989; TPSM Eqs. 1 to 5)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

EPSILON = 1e-9  # inside the logarithm, as in the released TPSM
REGULARIZATION = 0.01  # added to the whole diagonal in the released TPSM, so its splines miss their points slightly


@dataclass(frozen=True)
class ThinPlateSpline:
    """K splines per sample: ``T(z) = A z + t + sum_j U(|z - c_j|^2) w_j`` (TPSM Eq. 5).

    theta: ``(N, K, 2, 3)`` A and t; weights: ``(N, K, P, 2)`` w; control: ``(N, K, P, 2)`` c.
    """

    theta: Tensor
    weights: Tensor
    control: Tensor

    def __call__(self, points: Tensor, basis: Tensor | None = None) -> Tensor:
        """Map ``(M, 2)`` points by every spline: ``(N, K, M, 2)``. basis: their `radial_basis`, if known."""
        affine = points @ self.theta[..., :2].transpose(-1, -2) + self.theta[..., None, :, 2]
        return affine + (radial_basis(points, self.control) if basis is None else basis) @ self.weights


def radial_basis(points: Tensor, control: Tensor) -> Tensor:
    """Return U of the distances ``(…, M, P)`` from points ``(M, 2)`` to control points ``(…, P, 2)``."""
    return radial((points[:, None] - control[..., None, :, :]).square().sum(-1))


def radial(squared_distance: Tensor) -> Tensor:
    """Return U(r^2) = r^2 log(r^2 + eps)."""
    return squared_distance * torch.log(squared_distance + EPSILON)


def fit(control: Tensor, target: Tensor, regularization: float = REGULARIZATION) -> ThinPlateSpline:
    """Fit splines from `control` to `target`, both ``(N, K, P, 2)``; exact with a `regularization` of 0."""
    n, k, p, _ = control.shape
    difference = control[..., :, None, :] - control[..., None, :, :]
    # The released code squares a norm; squaring directly gives the same number and has a gradient at distance 0.
    kernel = radial(difference.square().sum(-1))
    affine = torch.cat([control, torch.ones_like(control[..., :1])], dim=-1)
    top = torch.cat([kernel, affine], dim=-1)
    bottom = torch.cat([affine.transpose(-1, -2), affine.new_zeros(n, k, 3, 3)], dim=-1)
    system = torch.cat([top, bottom], dim=-2) + regularization * torch.eye(p + 3, device=control.device)
    solution = torch.linalg.solve(system, torch.cat([target, target.new_zeros(n, k, 3, 2)], dim=-2))
    return ThinPlateSpline(solution[..., p:, :].transpose(-1, -2), solution[..., :p, :], control)
