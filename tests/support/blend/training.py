"""How it is trained."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.training.settings import TrainSettings
from baselines.training.trainee import Trainee
from support.blend.network import Blend


class BlendTrainee(Trainee):
    config = {"kernel": 3}

    def __init__(self, settings: TrainSettings):
        super().__init__(settings)
        self.network = Blend(self.config)
        self.networks = nn.ModuleDict({"generator": self.network.generator})

    def set_side(self, side: int) -> None:
        """Any side will do."""

    def reconstruct(self, source: Tensor, driving: Tensor) -> Tensor:
        return self.network.generate(source, driving)

    def losses(self, source: Tensor, driving: Tensor, rng: torch.Generator, progress: float) -> dict[str, Tensor]:
        return self.weighted({"l1": (self.reconstruct(source, driving) - driving).abs().mean()})
