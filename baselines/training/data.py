"""Training frames in memory, and batches of pairs from them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from baselines.blocks.grid import coordinate_grid, warp
from baselines.levels import from_levels
from baselines.training import clips, poses


@dataclass(frozen=True)
class Augmentation:
    """Random changes of a training pair; angles in degrees, shifts as shares of half the frame's side.

    shared_*: one affine motion for source and driving frame, with probability `shared`, for other head poses.
    own_*: one more for the driving frame only, with probability `own`, for more motion than in short clips.
    These are independent of the affine noise of FOMM's equivariance loss. color: largest relative change of brightness,
    contrast and saturation; hue: largest change of the hue, in turns. FOMM's are 0.1 each; short trainings keep the
    hue.
    """

    shared: float = 0.6
    shared_angle: float = 25.0
    shared_scale: float = 0.15
    shared_shift: float = 0.10
    own: float = 0.25
    own_angle: float = 10.0
    own_scale: float = 0.08
    own_shift: float = 0.06
    color: float = 0.1
    hue: float = 0.0


class TrainingFrames:
    """All frames of a folder of clips (see `clips.read`), square and of one size, as uint8.

    sha256: hash over clip and frame names and the decoded pixels, in sorted order.
    by_identity: draw an identity, all equally likely, then one of its clips (FOMM's id_sampling); a clip's identity is
    its name up to the first ``#``. Else the probability of a clip is proportional to the square root of its length.
    side: that videos are resized to.
    pose_file: table of true head poses (see `poses.read`); poses: of all frames, ``(M, 3)``, NaN if unknown.
    """

    def __init__(
        self,
        root: Path,
        chosen: Sequence[str] | None = None,
        cache: Path | None = None,
        by_identity: bool = False,
        pose_file: Path | None = None,
        side: int = 256,
    ):
        found = clips.read(root, chosen, cache, side)
        self.frames = torch.from_numpy(found.pixels)
        self.ranges, self.sha256 = found.ranges, found.sha256
        self.poses = poses.of_frames(pose_file, root, found) if pose_file else None
        if by_identity:
            people = [clips.identity(name) for name in found.names]
            clips_of = Counter(people)
            self.weights = torch.tensor([1 / clips_of[person] for person in people])
        else:  # square root: a long clip counts more than a short one, but does not dominate
            self.weights = torch.tensor([math.sqrt(end - start) for start, end in self.ranges])

    def __len__(self) -> int:
        return len(self.frames)

    def batch(
        self, count: int, side: int, rng: torch.Generator, aug: Augmentation, device: torch.device | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return (source, driving), each ``(count, 3, side, side)`` float32 in [0, 1]; a pair is two frames of a clip.

        device: computes them from transferred bytes; all random numbers are from `rng`, on the CPU.
        """
        source, driving, *_ = self.pairs(count, side, rng, aug, device)
        return source, driving

    def pairs(
        self, count: int, side: int, rng: torch.Generator, aug: Augmentation, device: torch.device | None = None
    ) -> tuple[Tensor, ...]:
        """Return `batch`; with `poses` also yaw, pitch, roll ``(count, 3)`` of the augmented driving frames.

        In degrees and in face-vid2vid's order of rotations; NaN for a frame without a pose.
        """
        drawn = torch.multinomial(self.weights, count, replacement=True, generator=rng)
        indices = []
        for clip in drawn.tolist():
            start, end = self.ranges[clip]
            indices.append(start + torch.randperm(end - start, generator=rng)[:2])
        numbers = torch.stack(indices, dim=1)  # sources, then driving frames
        chosen = from_levels(self.frames[numbers.flatten()].to(device))
        if chosen.shape[2] != side:
            chosen = F.adaptive_avg_pool2d(chosen, side)
        source, driving, flip, affine = augment(chosen[:count], chosen[count:], rng, aug)
        if self.poses is None:
            return source, driving
        rotation = poses.rotations(self.poses[numbers[1]]).to(driving.device)
        return source, driving, poses.network_angles(poses.changed(rotation, flip, affine))


def augment(
    source: Tensor, driving: Tensor, rng: torch.Generator, aug: Augmentation
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Flip pairs ``(N, 3, S, S)`` in [0, 1] and change colors and position; both frames get the same colors.

    Return the pairs, which were flipped ``(N,)``, and the affine maps of the driving frames ``(N, 2, 3)``.
    """
    count = len(source)

    def draw(*shape: int) -> Tensor:
        return 2 * torch.rand(count, *shape, generator=rng).to(source.device) - 1

    flip = draw() < 0
    source, driving = (torch.where(flip[:, None, None, None], x.flip(3), x) for x in (source, driving))
    gain, contrast, saturation = (1 + aug.color * draw(1, 1, 1) for _ in range(3))
    turn = aug.hue * draw(1, 1) if aug.hue else None

    def color(x: Tensor, mean: Tensor) -> Tensor:
        x = (x - mean) * contrast + mean * gain
        gray = x.mean(1, keepdim=True)
        x = (gray + (x - gray) * saturation).clamp(0, 1)
        return x if turn is None else shift_hue(x, turn)

    mean = source.mean((1, 2, 3), keepdim=True)
    source, driving = color(source, mean), color(driving, mean)
    shared = _affine(draw(4), (draw() + 1) / 2 < aug.shared, aug.shared_angle, aug.shared_scale, aug.shared_shift)
    own = _affine(draw(4), (draw() + 1) / 2 < aug.own, aug.own_angle, aug.own_scale, aug.own_shift)
    moved = _compose(shared, own)
    return _apply(source, shared), _apply(driving, moved), flip, moved


def shift_hue(frames: Tensor, turns: Tensor) -> Tensor:
    """Shift the hue (of HSV) of frames ``(N, 3, H, W)`` in [0, 1] by ``(N, 1, 1)`` turns."""
    red, green, blue = frames.unbind(1)
    value, least = frames.amax(1), frames.amin(1)
    chroma = value - least
    scale = chroma.clamp_min(1e-8)  # the hue of a gray pixel is arbitrary
    sixth = torch.where(value == green, (blue - red) / scale + 2, (red - green) / scale + 4)
    sixth = torch.where(value == red, (green - blue) / scale, sixth) + 6 * turns
    # Distance of each channel from its own hue, on the circle of six.
    distances = torch.stack([(sixth + start) % 6 for start in (5, 3, 1)], dim=1)
    return value[:, None] - chroma[:, None] * torch.minimum(distances, 4 - distances).clamp(0, 1)


def _affine(noise: Tensor, active: Tensor, angle: float, scale: float, shift: float) -> Tensor:
    """Convert uniform noise ``(N, 4)`` in [-1, 1] to similarity transforms ``(N, 2, 3)``; identity if not active."""
    noise = noise * active[:, None]
    turn = noise[:, 0] * math.radians(angle)
    size = torch.exp(noise[:, 1] * scale)
    cos, sin = size * torch.cos(turn), size * torch.sin(turn)
    return torch.stack([cos, -sin, shift * noise[:, 2], sin, cos, shift * noise[:, 3]], dim=1).view(-1, 2, 3)


def _compose(first: Tensor, second: Tensor) -> Tensor:
    """Return the map z -> first(second(z))."""
    linear = first[:, :, :2] @ second[:, :, :2]
    offset = first[:, :, :2] @ second[:, :, 2:] + first[:, :, 2:]
    return torch.cat([linear, offset], dim=2)


def _apply(frames: Tensor, affine: Tensor) -> Tensor:
    """Sample frames at affine(z), mirrored at the border."""
    side = frames.shape[2]
    grid = coordinate_grid(side, side, frames).view(1, -1, 2)
    flow = (grid @ affine[:, :, :2].transpose(1, 2) + affine[:, None, :, 2]).view(-1, side, side, 2)
    return warp(frames, flow, align_corners=True, padding="reflection").clamp(0, 1)
