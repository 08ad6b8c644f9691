"""DaGAN with OSTNet's two parts in training: OSTNet's losses, and those of the depth network that learns beside it."""

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

    The paper says nothing of depth in it. Here the depth of a driving frame is that of the frame whose keypoints are
    sought: of the resized one, then of the rectified one, through which gradients reach the scale transformation as
    they would through a frozen network. The depth network itself learns, as DaGAN's does here, by its own losses
    alone, on driving frames as they were before they were resized: a resized frame's black bars are of no depth.
    Everything but the two parts may start from a trained DaGAN, and what FOMM has from a FOMM.
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
    """What these compute meanwhile passes gradients on to its input, and none to their parameters."""
    parameters = [p for network in networks for p in network.parameters()]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)
