"""Keypoints from pose and expression (face-vid2vid: Wang et al., CVPR 2021, Sec. 3.1, Eqs. 1 and 2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

BIN_WIDTH, FIRST_BIN = 3.0, -99.0  # degrees
HALF_TURN = 3.14  # radians of 180 degrees in the released code
ANGLES = ("yaw", "pitch", "roll")


@dataclass(frozen=True)
class Pose:
    """yaw, pitch, roll: ``(N,)`` degrees; translation: ``(N, 3)``; expression: ``(N, K, 3)`` keypoint offsets."""

    yaw: Tensor
    pitch: Tensor
    roll: Tensor
    translation: Tensor
    expression: Tensor

    def turned(self, angles: Mapping[str, float]) -> Pose:
        """Return the pose with these of `ANGLES`, in degrees, instead of the estimated ones (free view)."""
        return replace(self, **{name: torch.full_like(getattr(self, name), angle) for name, angle in angles.items()})


def expected_angle(logits: Tensor) -> Tensor:
    """Return the expected angles ``(N,)`` in degrees for scores of the angle bins ``(N, bins)``."""
    bins = torch.arange(logits.shape[1], device=logits.device, dtype=torch.float32)
    return (torch.softmax(logits.float(), dim=1) * bins).sum(1) * BIN_WIDTH + FIRST_BIN


def rotation_matrix(yaw: Tensor, pitch: Tensor, roll: Tensor, beta: bool = False) -> Tensor:
    """Return ``Rx(pitch) Ry(yaw) Rz(roll)``, ``(N, 3, 3)``, for column vectors. yaw, pitch, roll: degrees ``(N,)``.

    beta: use the axes of the earlier "beta" checkpoints, ``Rx(roll) Ry(pitch) Rz(yaw)``.
    """
    x, y, z = (angle / 180 * HALF_TURN for angle in ((roll, pitch, yaw) if beta else (pitch, yaw, roll)))
    return turn(x, 1, 2) @ turn(y, 2, 0) @ turn(z, 0, 1)


def turn(angle: Tensor, first: int, second: int) -> Tensor:
    """Return the rotation ``(N, 3, 3)`` by radians ``(N,)`` from axis `first` towards axis `second`."""
    matrix = torch.eye(3, device=angle.device, dtype=angle.dtype).repeat(len(angle), 1, 1)
    matrix[:, first, first] = matrix[:, second, second] = torch.cos(angle)
    matrix[:, second, first] = torch.sin(angle)
    matrix[:, first, second] = -torch.sin(angle)
    return matrix


def place(canonical: Tensor, pose: Pose, beta: bool = False) -> Tensor:
    """Return canonical keypoints ``(N, K, 3)`` in a pose: ``R x_c + t + delta`` (Eqs. 1 and 2)."""
    rotation = rotation_matrix(pose.yaw, pose.pitch, pose.roll, beta)
    return canonical @ rotation.transpose(1, 2) + pose.translation[:, None] + pose.expression


def gaussian_volumes(points: Tensor, grid: Tensor, variance: float = 0.01) -> Tensor:
    """Return Gaussians ``(N, K, D, H, W)`` with peak 1 at points ``(N, K, 3)``, on the grid ``(D, H, W, 3)``."""
    offset = grid - points[:, :, None, None, None]
    return torch.exp(-0.5 * offset.square().sum(-1) / variance)


def expected_point(logits: Tensor, temperature: float, grid: Tensor) -> Tensor:
    """Return expected coordinates ``(N, K, 3)`` for scores ``(N, K, D, H, W)`` on the grid ``(D, H, W, 3)``."""
    heatmap = F.softmax(logits.float().flatten(2) / temperature, dim=2)
    return heatmap @ grid.flatten(0, 2)
