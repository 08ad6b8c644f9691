"""DaGAN with OSTNet's two parts in training: OSTNet's losses, and those of the depth network trained with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from baselines.blocks.keypoints import Keypoints
from baselines.ostnet.network import Rectified, ScaleDaGAN
from baselines.training.depth import DAGAN_CONFIG, DepthTrainee
from baselines.training.scale import SCALE, ScaleTrainee


class ScaleDepthTrainee(ScaleTrainee, DepthTrainee):
    """``dagan+scale`` (Hong and Xu 2023, Table 5): OSTNet's losses, and DaGAN's of depth; see also `adversarial`.

    The paper does not mention its depth. Here the depth of a driving frame is computed for the frame that keypoints are
    detected in: the resized one, then the rectified one; through the latter, gradients reach the scale transformation
    as through a frozen network. The depth network itself is trained, as in this program's DaGAN, only by its own
    losses, on driving frames before resizing, since the black bars of resized frames have no depth.
    Everything except the two parts can start from a trained DaGAN, and FOMM's parts from a FOMM.
    """

    config: dict[str, Any] = {**DAGAN_CONFIG, **SCALE}
    network: ScaleDaGAN  # type: ignore[assignment]
    shareable = (
        *DepthTrainee.shareable,
        *(f"generator.{part}" for part in ("src_first", "src_down_blocks", "AttnModule")),
        "camera_motion",
    )

    def build(self) -> ScaleDaGAN:  # type: ignore[override]
        return ScaleDaGAN(self.config)

    def generate(self, image: Tensor, source: Keypoints, driving: Rectified) -> Tensor:  # type: ignore[override]
        self.depths = [self.network.depth(image)]
        return super().generate(image, source, driving)

    def losses(self, source: Tensor, driving: Tensor, rng: torch.Generator, progress: float) -> dict[str, Tensor]:
        with constant(self.network.depth_encoder, self.network.depth_decoder):
            parts = ScaleTrainee.losses(self, source, driving, rng, progress)
        return parts | self.depth_terms(source, driving, self.network.depth(driving))


@contextmanager
def constant(*networks: nn.Module) -> Iterator[None]:
    """Let gradients pass through these networks to their input, but not to their parameters, in this context."""
    parameters = [p for network in networks for p in network.parameters()]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)
