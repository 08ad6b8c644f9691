"""X2Face: a network for controlling face generation (Wiles et al., ECCV 2018).

The released weights were trained with a torch that aligned corners in sampling and upsampling; so does this code. The
released activations work in place, so a skip carries values after the next level's activation; that has no effect,
because a ReLU follows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.blocks.grid import coordinate_grid, resize, warp

WEIGHT_FLOOR = 0.1  # least weight of a source in the mosaic
Edit = Callable[[Tensor], Tensor]


class Level(nn.Module):
    """One level of the U-Net; `submodule` is the next, smaller one. Names as in the checkpoints."""

    def __init__(self, down: list[nn.Module], submodule: Level | None, up: list[nn.Module]):
        super().__init__()
        self.down = nn.Sequential(*down)
        self.submodule = submodule
        self.up = nn.Sequential(*up)


class UNet(nn.Module):
    """Map an image ``(N, 3, H, W)`` to ``(N, out, H, W)``; the bottleneck is ``(N, inner, H/2^levels, W/2^levels)``.

    skips: concatenate each level's input to the output of the next one. tanh: end with a tanh.
    """

    def __init__(
        self, out_features: int, inner: int, *, skips: bool, tanh: bool, levels: int = 8, ngf: int = 64, image: int = 3
    ):
        super().__init__()
        widths = [image, *(ngf * min(2**i, 8) for i in range(levels - 1)), inner]
        self.skips = skips
        level = None
        for i in reversed(range(levels)):
            outer, innermost = i == 0, i == levels - 1
            down: list[nn.Module] = [] if outer else [nn.LeakyReLU(0.2)]
            down.append(nn.Conv2d(widths[i], widths[i + 1], 4, stride=2, padding=1, bias=False))
            if not outer and not innermost:
                down.append(nn.BatchNorm2d(widths[i + 1]))
            joined = widths[i + 1] * (2 if skips and not innermost else 1)
            width = out_features if outer else widths[i]
            up: list[nn.Module] = [nn.ReLU(), nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)]
            up.append(nn.Conv2d(joined, width, 3, padding=1, bias=False))
            if not outer:
                up.append(nn.BatchNorm2d(width))
            elif tanh:
                up.append(nn.Tanh())
            level = Level(down, level, up)
        self.model = level

    def levels(self) -> list[Level]:
        """Return the levels, outermost first."""
        levels, level = [], self.model
        while level is not None:
            levels.append(level)
            level = level.submodule
        return levels

    def encode(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the bottleneck and every level's input."""
        inputs, x = [], image
        for level in self.levels():
            inputs.append(x)
            x = level.down(x)
        return x, inputs

    def forward(self, image: Tensor, edit: Edit | None = None) -> Tensor:
        """Return the output. edit: function applied to the bottleneck."""
        x, inputs = self.encode(image)
        x = edit(x) if edit else x
        for level, outer in reversed(list(zip(self.levels(), inputs))):
            x = level.up(x)
            if self.skips and level is not self.model:
                x = torch.cat([x, outer], dim=1)
        return x


class Named(nn.Module):
    """A U-Net with its name in the checkpoints."""

    def __init__(self, unet: UNet):
        super().__init__()
        self.netG = unet  # noqa: N815 (the checkpoint's name)

    def forward(self, image: Tensor, edit: Edit | None = None) -> Tensor:
        return self.netG(image, edit)


@dataclass(frozen=True)
class Mosaic:
    """image: ``(N, 3, H, W)``, the embedded face. grid: ``(N, H, W, 2)``, source coordinates of its pixels.

    confidence: ``(N, 1, H, W)``, exp of the network's third channel; weights of several sources.
    """

    image: Tensor
    grid: Tensor
    confidence: Tensor


class EmbeddingAndDriving(nn.Module):
    """The two networks (Sec. 3.1): ``pix2pixUnwrapped`` makes the embedded face, ``pix2pixSampler`` drives it.

    side: average frames to this side for both, and enlarge their output (a reduced network); None: full frames, as
    released.
    """

    def __init__(
        self, inner_nc: int = 128, embedding_nc: int = 512, levels: int = 8, ngf: int = 64, side: int | None = None
    ):
        super().__init__()
        self.side = side
        sizes = {"levels": levels, "ngf": ngf}
        self.pix2pixUnwrapped = Named(UNet(3, embedding_nc, skips=True, tanh=False, **sizes))
        self.pix2pixSampler = Named(UNet(2, inner_nc, skips=False, tanh=True, **sizes))

    def embed(self, source: Tensor) -> Mosaic:
        """Return the embedded face of one source ``(N, 3, H, W)`` in [0, 1]."""
        out = self._look(self.pix2pixUnwrapped, source)
        grid = torch.tanh(out[:, :2]).permute(0, 2, 3, 1) + coordinate_grid(out.shape[2], out.shape[3], out)
        return Mosaic(sample(source, grid), grid, torch.exp(out[:, 2:]))

    def drive(self, driving: Tensor, edit: Edit | None = None) -> Tensor:
        """Return coordinates in the embedded face ``(N, H, W, 2)`` for the pixels of the driving pose."""
        out = self._look(self.pix2pixSampler, driving, edit)
        # A second tanh after the network's own: the offset is at most 0.76.
        return torch.tanh(out).permute(0, 2, 3, 1) + coordinate_grid(out.shape[2], out.shape[3], out)

    def _look(self, network: Named, image: Tensor, edit: Edit | None = None) -> Tensor:
        small = image if self.side is None else F.adaptive_avg_pool2d(image, self.side)
        return resize(network(small, edit).float(), image.shape[2], image.shape[3], align_corners=True)


def sample(image: Tensor, grid: Tensor) -> Tensor:
    """Sample like `warp`, but NaN at NaN positions, where torch gives a finite pixel and would hide a failure."""
    grid = grid.to(image.dtype)
    return warp(image, grid, align_corners=True) + (grid.flatten(1).sum(1) * 0)[:, None, None, None]


def merge(mosaics: list[Mosaic], floor: float = WEIGHT_FLOOR) -> Tensor:
    """Return the embedded face ``(N, 3, H, W)`` of several sources: their mean, weighted by confidence."""
    weights = torch.stack([mosaic.confidence + floor for mosaic in mosaics])
    images = torch.stack([mosaic.image for mosaic in mosaics])
    return (weights * images).sum(0) / weights.sum(0)


class PoseFromBottleneck(nn.Module):
    """Map a bottleneck ``(N, 128)`` to roll, pitch, yaw ``(N, 3)`` in radians."""

    def __init__(self, inner_nc: int):
        super().__init__()
        self.posefrombottle = nn.Linear(inner_nc, 3)

    def forward(self, bottleneck: Tensor) -> Tensor:
        return self.posefrombottle(bottleneck)


class X2Face(nn.Module):
    """Both networks, and two small ones for driving by head pose or sound (Secs. 4.2 and 4.3).

    config: ``inner_nc``, ``pose`` (whether it has the small networks); a reduced network adds ``embedding_nc``,
        ``levels``, ``ngf``, ``side``.
    """

    def __init__(self, config: Mapping[str, Any]):
        super().__init__()
        sizes = {key: config[key] for key in ("inner_nc", "embedding_nc", "levels", "ngf", "side") if key in config}
        inner = config.get("inner_nc", 128)
        self.model = EmbeddingAndDriving(**sizes)
        self.posereg = PoseFromBottleneck(inner) if config.get("pose") else None
        bottleneck_of = nn.Sequential(nn.Linear(3, inner, bias=False), nn.BatchNorm1d(inner))
        self.posetobottle = bottleneck_of if config.get("pose") else None

    def generate(self, source: Tensor, driving: Tensor, edit: Edit | None = None) -> Tensor:
        """Return the source in the driving frame's pose, ``(N, 3, H, W)``; values are not bounded."""
        mosaic = self.model.embed(source).image
        return sample(mosaic, self.model.drive(driving, edit))

    def _pose_networks(self) -> tuple[nn.Module, nn.Module]:
        assert self.posereg is not None and self.posetobottle is not None  # of a configuration with ``pose``
        return self.posereg, self.posetobottle

    def toward_pose(self, target: Tensor) -> Edit:
        """Return an edit of the bottleneck to the pose `target` ``(N, 3)``: roll, pitch, yaw in radians."""
        pose_of, bottleneck_of = self._pose_networks()

        def edit(bottleneck: Tensor) -> Tensor:
            flat = bottleneck.flatten(1)
            moved = flat + bottleneck_of(target) - bottleneck_of(pose_of(flat))
            return moved.view(bottleneck.shape)

        return edit

    def by_sound(self, difference: Tensor) -> Edit:
        """Return an edit of the source's bottleneck by a difference ``(N, 128)`` of two sounds' codes, pose kept."""
        pose_of, bottleneck_of = self._pose_networks()

        def edit(bottleneck: Tensor) -> Tensor:
            flat = torch.relu(bottleneck.flatten(1))
            moved = flat + difference
            kept = moved + bottleneck_of(pose_of(flat)) - bottleneck_of(pose_of(moved))
            return kept.view(bottleneck.shape)

        return edit
