"""The network and its predictor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from baselines.blocks.grid import coordinate_grid, warp
from baselines.checkpoints import States
from baselines.network_predictor import NetworkPredictor
from baselines.predictor import MotionMode, PairBatch


@dataclass(frozen=True)
class Motion:
    flow: Tensor
    mask: Tensor
    occlusion: Tensor | None = None


class Flow(nn.Module):
    """A movement of the whole frame from one point's."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Linear(2, 2)

    def forward(self, image: Tensor, source: Tensor, driving: Tensor) -> Motion:
        moved = self.shift((source - driving)[:, 0])[:, None, None]
        grid = coordinate_grid(*image.shape[2:], like=image)
        return Motion(grid + moved, torch.ones_like(image[:, :1]))


class Blender(nn.Module):
    def __init__(self, kernel: int):
        super().__init__()
        self.flow = Flow()
        self.mix = nn.Conv2d(6, 3, kernel, padding=kernel // 2)

    def forward(self, source: Tensor, driving: Tensor, at_source: Tensor, at_driving: Tensor) -> Tensor:
        motion = self.flow(source, at_source, at_driving)
        moved = warp(source, motion.flow, align_corners=True)
        return torch.sigmoid(self.mix(torch.cat([moved, driving], dim=1)))


class Blend(nn.Module):
    def __init__(self, config: Mapping[str, Any]):
        super().__init__()
        self.generator = Blender(config["kernel"])

    def detect(self, image: Tensor) -> Tensor:
        return image.mean((2, 3))[:, None, :2]

    def brightness(self, image: Tensor) -> Tensor:
        return image.mean(1, keepdim=True)

    def generate(self, source: Tensor, driving: Tensor) -> Tensor:
        return self.generator(source, driving, self.detect(source), self.detect(driving))


class BlendPredictor(NetworkPredictor):
    """Half photograph, half driving frame, as far as it was trained."""

    memoized = ()

    @classmethod
    def read_shapes(cls, config: dict[str, Any], states: States) -> None:
        config["kernel"] = states["generator"]["mix.weight"].shape[-1]

    def build(self, config: Mapping[str, Any], options: Mapping[str, str]) -> Blend:
        return Blend(config)

    def animate(self, batch: PairBatch, mode: MotionMode) -> Tensor:
        return self.network.generate(batch.source, batch.driving)
