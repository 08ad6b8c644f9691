"""How far a generated frame is from its target: L1 and perceptual terms at the sides that pay off."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.training import losses
from baselines.training.vgg import VggFeatures

L1_WEIGHT = 100.0
PERCEPTUAL_WEIGHT = 10.0
WINDOW = 96


class Reconstruction(nn.Module):
    """Weighted L1 and VGG terms of predictions ``(N, 3, S, S)`` in [0, 1] against targets of the same shape.

    The papers sum the VGG term over four sides of the frame. Here it is taken at 64 pixels with all five
    layers and, for larger frames, on a random window in full resolution with three: fine detail at a small price.
    """

    def __init__(self, bf16: bool):
        super().__init__()
        self.features = VggFeatures()
        self.features.to(memory_format=torch.channels_last)
        self.bf16 = bf16

    def forward(self, predicted: Tensor, target: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        side = target.shape[2]
        views = [(5, [F.adaptive_avg_pool2d(x, 64) for x in (predicted, target)])]
        if side > 64:
            top, left = torch.randint(side - WINDOW + 1, (2,), generator=rng).tolist()
            views.append((3, [x[:, :, top : top + WINDOW, left : left + WINDOW] for x in (predicted, target)]))
        terms = [self.perceptual(depth, *view) for depth, view in views]
        return {
            "l1": L1_WEIGHT * losses.mean_absolute(predicted, target),
            "perceptual": PERCEPTUAL_WEIGHT * torch.stack(terms).mean(),
        }

    def perceptual(self, depth: int, predicted: Tensor, target: Tensor) -> Tensor:
        predicted, target = (x.contiguous(memory_format=torch.channels_last) for x in (predicted, target))
        with torch.autocast(predicted.device.type, torch.bfloat16, enabled=self.bf16):
            with torch.no_grad():
                wanted = self.features(target, depth)
            found = self.features(predicted, depth)
        return losses.perceptual([x.float() for x in found], [x.float() for x in wanted])
