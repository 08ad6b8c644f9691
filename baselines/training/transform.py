"""Random deformations with a known inverse direction, for the equivariance losses (FOMM Sec. 3.1, supplement)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from baselines.blocks.grid import coordinate_grid, warp


@dataclass(frozen=True)
class ThinPlateTransform:
    """z -> A z + b + sum_j w_j U(|z - c_j|), the same scalar bump in x and y.

    theta: ``(N, 2, 3)`` = [A | b]; weights: ``(N, P)``; centers: ``(P, 2)`` in [-1, 1].
    squared: distance of the radial term. False: r is the L1 distance, U = r^2 log(r + 1e-6) (FOMM, MCNet).
    True: U = r2 log(r2 + 1e-9) with the squared Euclidean distance (TPSM).
    align_corners: for sampling frames.
    """

    theta: Tensor
    weights: Tensor
    centers: Tensor
    squared: bool = False
    align_corners: bool = False

    @classmethod
    def random(
        cls,
        count: int,
        generator: torch.Generator,
        sigma_affine: float = 0.05,
        sigma_tps: float = 0.005,
        points: int = 5,
        squared: bool = False,
        align_corners: bool = False,
    ) -> ThinPlateTransform:
        """Draw identity plus normal noise on the affine part and on a ``points x points`` grid of bumps."""
        theta = torch.eye(2, 3) + sigma_affine * torch.randn(count, 2, 3, generator=generator)
        weights = sigma_tps * torch.randn(count, points**2, generator=generator)
        centers = coordinate_grid(points, points, theta).reshape(-1, 2)
        return cls(theta, weights, centers, squared, align_corners)

    def to(self, device: torch.device) -> ThinPlateTransform:
        theta, weights, centers = (part.to(device) for part in (self.theta, self.weights, self.centers))
        return ThinPlateTransform(theta, weights, centers, self.squared, self.align_corners)

    def points(self, points: Tensor) -> Tensor:
        """Transform points ``(N, K, 2)``."""
        affine = points @ self.theta[:, :, :2].transpose(1, 2) + self.theta[:, None, :, 2]
        offset = points[:, :, None] - self.centers
        if self.squared:
            r2 = offset.square().sum(-1)
            bump = r2 * torch.log(r2 + 1e-9)
        else:
            r = offset.abs().sum(-1)
            bump = r.square() * torch.log(r + 1e-6)
        return affine + (bump * self.weights[:, None]).sum(-1, keepdim=True)

    def jacobians(self, points: Tensor) -> Tensor:
        """Return the derivative ``(N, K, 2, 2)`` at points ``(N, K, 2)``, in closed form and differentiable."""
        offset = points[:, :, None] - self.centers
        if self.squared:
            r2 = offset.square().sum(-1, keepdim=True)
            slope = (torch.log(r2 + 1e-9) + r2 / (r2 + 1e-9)) * 2 * offset
        else:
            r = offset.abs().sum(-1, keepdim=True)
            slope = (2 * r * torch.log(r + 1e-6) + r.square() / (r + 1e-6)) * offset.sign()
        gradient = (slope * self.weights[:, None, :, None]).sum(2)
        # The bump moves x and y alike, so the row is repeated.
        return self.theta[:, None, :, :2] + gradient[:, :, None, :].expand(-1, -1, 2, -1)

    def frames(self, frames: Tensor) -> Tensor:
        """Return deformed copies of frames ``(N, 3, H, W)``: pixel z of the copy shows the frame at ``points(z)``."""
        height, width = frames.shape[2:]
        grid = coordinate_grid(height, width, frames).reshape(1, -1, 2).expand(len(frames), -1, -1)
        return warp(frames, self.points(grid).view(-1, height, width, 2), self.align_corners, padding="reflection")
