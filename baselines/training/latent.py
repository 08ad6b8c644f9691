"""LIA in training: reconstruction of the driving frame from magnitudes along learned directions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.lia.network import LIA, SMALLEST, FlowHead
from baselines.predictor import ModelError
from baselines.training.losses import mean_absolute
from baselines.training.precision import in_float32
from baselines.training.settings import TrainSettings
from baselines.training.trainee import Trainee

LIA_CONFIG: dict[str, Any] = {
    "size": 256,
    "style_dim": 128,
    "motion_dim": 20,
    "channel_multiplier": 0.125,  # 8 channels at 256 x 256
    "max_channels": 64,
}
INITIAL_FLOW = 0.02  # factor on the flow of the initial weights in short trainings


class LatentTrainee(Trainee):
    """LIA (Wang et al., ICLR 2022, Sec. 3.3): L1, perceptual and adversarial losses of the driven frame, no others.

    The encoder's frames have one side, so frames of smaller stages are enlarged for it. The decoder ends at the level
    of the stage, since every level gives a frame. Short trainings start with nearly no flow, because the flow of random
    weights scatters the source's features over the frame and gives little gradient.
    """

    config = LIA_CONFIG
    shareable = ("gen",)

    def __init__(self, settings: TrainSettings):
        super().__init__(settings)
        size = self.frame_size
        if size & (size - 1):
            raise ModelError(
                f"frame_size: LIA halves frames down to {SMALLEST} pixels: 256, 512 and so on, not {size}",
                code="bad-value",
            )
        self.config = self.config | {"size": size}
        self.network = LIA(self.config)
        self.networks = nn.ModuleDict({"gen": self.network.gen})
        decoder = self.network.gen.dec
        if not self.published:
            with torch.no_grad():
                for head in decoder.to_flows:
                    assert isinstance(head, FlowHead)
                    head.conv.weight.mul_(INITIAL_FLOW)
        if self.bf16:
            for module in (decoder.to_flows, *decoder.to_rgbs):  # coordinates, and the sum of colors
                vars(module)["forward"] = _exempt(module.forward)

    def set_side(self, side: int) -> None:
        """End the decoder at the level with frames of this side."""

    def reconstruct(self, source: Tensor, driving: Tensor) -> Tensor:
        side, size = source.shape[2], self.frame_size
        images = torch.cat([source, driving])
        if side < size:
            images = F.interpolate(images, size=(size, size), mode="bilinear")
        generator = self.network.gen
        with self.reduced_precision(source.device):
            code, features = generator.enc.net_app(2 * images - 1)
        magnitudes = generator.enc.fc(code[len(source) :].float())  # of the driving frames
        moved = code[: len(source)].float() + generator.dec.direction(magnitudes)
        taken = tuple(feature[: len(source)] for feature in features if feature.shape[2] <= side)
        with self.reduced_precision(source.device):
            frame: Tensor = generator.dec(moved, taken).frame
        return (frame.float() + 1) / 2

    def losses(self, source: Tensor, driving: Tensor, rng: torch.Generator, progress: float) -> dict[str, Tensor]:
        predicted = self.reconstruct(source, driving)
        parts = self.compare(predicted, driving, rng)
        if self.published:  # published losses are of frames in [-1, 1]
            parts |= self.weighted({"l1": 2 * mean_absolute(predicted, driving)})
        return parts


def _exempt(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Return a module's `forward`, computed in float32 for any input, on any device."""

    def run(*given: Any) -> Any:
        kind = next(one.device.type for one in given if isinstance(one, Tensor))
        return in_float32(forward, kind)(*(one.float() if isinstance(one, Tensor) else one for one in given))

    return run
