"""Output of LivePortrait's motion extractor, and rules for transferring it from a driving face to a source.

Keypoints are ``(N, K, 3)``, x, y in [-1, 1] within the frame, z towards the back. A source keeps its canonical
keypoints in every mode. The paper (arXiv 2407.03168, Eq. 2) replaces all of the motion. These rules are those of the
released program, which never does: even `absolute` keeps the source's scale and parts of its expression.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from baselines.fv2v.pose import turn

BIN_WIDTH, FIRST_BIN = 3.0, -97.5  # degrees
KEYPOINTS = 21
REGIONS = ("all", "exp", "pose", "lip", "eyes")
LIPS, EYES = (6, 12, 14, 17, 19, 20), (11, 13, 15, 16, 18)
# The part of the expression in absolute motion: all axes of most keypoints, some axes of others (0, 7 and 10: none).
WHOLE = (1, 2, 6, *range(11, 21))
AXES = {3: (1,), 4: (1,), 5: (2,), 8: (2,), 9: (1, 2)}


@dataclass(frozen=True)
class FaceMotion:
    """keypoints: canonical ``(N, K, 3)``; rotation: ``(N, 3, 3)``, for row vectors; expression: ``(N, K, 3)`` offsets.

    translation: ``(N, 3)``, its z is never used; scale: ``(N, 1)``.
    """

    keypoints: Tensor
    rotation: Tensor
    expression: Tensor
    translation: Tensor
    scale: Tensor

    def item(self, i: int) -> FaceMotion:
        """Return item `i` of the batch."""
        parts = (self.keypoints, self.rotation, self.expression, self.translation, self.scale)
        return FaceMotion(*(part[i : i + 1] for part in parts))

    def points(self) -> Tensor:
        """Return ``scale * (keypoints rotation + expression) + translation``, ``(N, K, 3)`` (Eq. 2), z not shifted."""
        moved = self.scale[..., None] * (self.keypoints @ self.rotation + self.expression)
        flat = self.translation * self.translation.new_tensor([1.0, 1.0, 0.0])
        return moved + flat[:, None]


def expected_angle(logits: Tensor) -> Tensor:
    """Return the expected angles ``(N,)`` in degrees for scores of the angle bins ``(N, bins)``."""
    bins = torch.arange(logits.shape[1], device=logits.device, dtype=torch.float32)
    return (torch.softmax(logits.float(), dim=1) * bins).sum(1) * BIN_WIDTH + FIRST_BIN


def rotation_matrix(pitch: Tensor, yaw: Tensor, roll: Tensor) -> Tensor:
    """Return the transpose of ``Rz(roll) Ry(yaw) Rx(pitch)``, ``(N, 3, 3)``, for row vectors, from degrees ``(N,)``."""
    x, y, z = (torch.deg2rad(angle) for angle in (pitch, yaw, roll))
    return (turn(z, 0, 1) @ turn(y, 2, 0) @ turn(x, 1, 2)).transpose(1, 2)


def absolute(source: FaceMotion, driving: FaceMotion, region: str = "all") -> FaceMotion:
    """Return the source with the driving face's pose and expression, as far as `region`, one of `REGIONS`, has them."""
    taken = driving.expression.new_zeros(KEYPOINTS, 3)
    if region in ("all", "exp"):
        taken[list(WHOLE)] = 1
        for keypoint, axes in AXES.items():
            taken[keypoint, list(axes)] = 1
    else:
        taken = _keypoints(region, taken)
    expression = torch.where(taken > 0, driving.expression, source.expression)
    moved = replace(source, expression=expression)
    if region in ("all", "pose"):
        moved = replace(moved, rotation=driving.rotation, translation=driving.translation)
    return moved


def relative(source: FaceMotion, driving: FaceMotion, initial: FaceMotion, region: str = "all") -> FaceMotion:
    """Return the source moved as the driving face since its initial frame; the scale only with region "all"."""
    moved = _add_expression(source, driving.expression - initial.expression, region)
    if region in ("all", "pose"):
        rotation = driving.rotation @ initial.rotation.transpose(1, 2) @ source.rotation
        translation = source.translation + (driving.translation - initial.translation)
        moved = replace(moved, rotation=rotation, translation=translation)
    if region == "all":
        moved = replace(moved, scale=source.scale * (driving.scale / initial.scale))
    return moved


def relative_to_rest(source: FaceMotion, driving: FaceMotion, rest: Tensor, region: str = "all") -> FaceMotion:
    """Return the source with a still's expression relative to `rest` ``(1, K, 3)``; for "eyes" relative to zero."""
    return _add_expression(source, driving.expression - (0 if region == "eyes" else rest), region)


def _add_expression(source: FaceMotion, change: Tensor, region: str) -> FaceMotion:
    share = _keypoints(region, change.new_zeros(KEYPOINTS, 3))
    return replace(source, expression=source.expression + change * share)


def _keypoints(region: str, share: Tensor) -> Tensor:
    chosen = {"all": range(KEYPOINTS), "exp": range(KEYPOINTS), "pose": (), "lip": LIPS, "eyes": EYES}[region]
    share[list(chosen)] = 1
    return share
