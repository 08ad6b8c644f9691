"""X2Face in training: photometric and perceptual loss of the driven frame."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from baselines.predictor import ModelError
from baselines.training.losses import mean_absolute
from baselines.training.precision import in_bf16
from baselines.training.settings import TrainSettings
from baselines.training.trainee import MOTION_SIDE, Trainee
from baselines.x2face.network import UNet, X2Face

X2FACE_CONFIG: dict[str, Any] = {
    "inner_nc": 64,
    "embedding_nc": 128,
    "levels": 6,  # down to one pixel, as published from 256 by 8
    "ngf": 16,
    "side": MOTION_SIDE,
    "pose": False,
}
PHOTOMETRIC = 0.7  # share of the steps before other losses than the photometric one
INITIAL_FLOW = 0.02  # factor on the flow of the initial weights


class EmbeddingTrainee(Trainee):
    """X2Face (Wiles et al. 2018, Sec. 3.2), with one source as in the released training.

    As in the paper, training starts with the photometric loss only. The paper then adds an identity loss from a face
    network, which is not available here; short trainings use general VGG features instead, published ones nothing.
    With one source the confidence map (the embedding's third channel) does not affect the result and is not trained.
    """

    config = X2FACE_CONFIG
    without = {"pose": False}
    shareable = ("model",)

    def __init__(self, settings: TrainSettings):
        super().__init__(settings)
        if self.config.get("side") is None and self.frame_size != 256:
            raise ModelError(
                "frame_size: X2Face of the published size halves frames of 256 pixels down to one pixel",
                code="bad-value",
            )
        self.network = X2Face(self.config)
        self.networks = nn.ModuleDict({"model": self.network.model})
        parts = self.network.model.pix2pixUnwrapped, self.network.model.pix2pixSampler
        for part in parts:
            _start_still(part.netG)
        if self.bf16:
            for part in parts:
                vars(part)["forward"] = _reduced(part.netG)

    def set_side(self, side: int) -> None:
        """Do nothing: both networks resize frames to their own side."""

    def reconstruct(self, source: Tensor, driving: Tensor) -> Tensor:
        return self.network.generate(source, driving)

    def losses(self, source: Tensor, driving: Tensor, rng: torch.Generator, progress: float) -> dict[str, Tensor]:
        predicted = self.reconstruct(source, driving)
        if self.published or progress < PHOTOMETRIC:
            return self.weighted({"l1": mean_absolute(predicted, driving)})
        return self.reconstruction(predicted, driving, rng)


@torch.no_grad()
def _start_still(unet: UNet) -> None:
    """Start with a flow near zero: random flows point outside the frame, where sampling has no gradient."""
    last = [module for module in unet.levels()[0].up if isinstance(module, nn.Conv2d)][-1]
    last.weight.mul_(INITIAL_FLOW)


def _reduced(unet: nn.Module) -> Any:
    return lambda image, edit=None: in_bf16(lambda x: unet(x, edit))(image)
