"""X2Face in training: photometric and perceptual loss of the driven frame."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from baselines.training.precision import in_bf16
from baselines.training.settings import TrainSettings
from baselines.training.trainees import MOTION_SIDE, Trainee
from baselines.x2face.network import X2Face

X2FACE_CONFIG: dict[str, Any] = {
    "inner_nc": 64,
    "embedding_nc": 128,
    "levels": 6,  # down to one pixel, as published from 256 by 8
    "ngf": 16,
    "side": MOTION_SIDE,
    "pose": False,
}


class EmbeddingTrainee(Trainee):
    """X2Face (Wiles et al. 2018, Sec. 3.2), with one source as in the released training.

    The paper trains on the photometric loss first and adds an identity loss by features of a face network, which
    cannot be had here; the general VGG's stand in from the start. With one source the confidence map (the embedding's
    third channel) has no part in the result and stays as it was drawn.
    """

    config = X2FACE_CONFIG
    shareable = ("model",)

    def __init__(self, settings: TrainSettings):
        super().__init__(settings)
        self.network = X2Face(self.config)
        self.networks = nn.ModuleDict({"model": self.network.model})
        if self.bf16:
            for part in self.network.model.children():
                part.forward = _reduced(part.netG)

    def set_side(self, side: int) -> None:
        """Both networks look at frames of one side, whatever theirs is."""

    def reconstruct(self, source: Tensor, driving: Tensor) -> Tensor:
        return self.network.generate(source, driving)

    def losses(self, source: Tensor, driving: Tensor, rng: torch.Generator, progress: float) -> dict[str, Tensor]:
        return self.reconstruction(self.reconstruct(source, driving), driving, rng)


def _reduced(unet: nn.Module) -> Any:
    return lambda image, edit=None: in_bf16(lambda x: unet(x, edit))(image)
