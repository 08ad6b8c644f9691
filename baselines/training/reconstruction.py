"""Reconstruction loss of a generated frame: L1 and perceptual terms at several sides."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.blocks.conv import AntiAliasDownsample
from baselines.training import losses
from baselines.training.vgg import Vgg19Features, VggFeatures

L1_WEIGHT = 100.0
PERCEPTUAL_WEIGHT = 10.0
WINDOW = 96
SCALES = 4  # of the papers' pyramid, each half the previous size
SMALLEST = 16  # side that VGG's four poolings reduce to one pixel


class Reconstruction(nn.Module):
    """Weighted L1 and VGG terms of predictions ``(N, 3, S, S)`` in [0, 1] and targets of the same shape.

    published: only the VGG term, summed over four sides of the frame with all layers (FOMM Eq. 9, MCNet Eq. 7). Else,
    for short trainings, L1, and VGG at 64 pixels with all five layers and, for larger frames, on a random window in
    full resolution with three layers, which is cheap.
    vgg: weight file of torchvision's VGG-19; None: the VGG-16 of a package. weight: of the VGG term.
    """

    def __init__(self, bf16: bool, published: bool = False, vgg: Path | None = None, weight: float = PERCEPTUAL_WEIGHT):
        super().__init__()
        self.features = VggFeatures() if vgg is None else Vgg19Features(vgg)
        self.features.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.bf16, self.published, self.weight = bf16, published, weight

    def forward(self, predicted: Tensor, target: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        if self.published:
            return {"perceptual": self.weight * self.pyramid(predicted, target)}
        side = target.shape[2]
        views = [(5, [F.adaptive_avg_pool2d(x, 64) for x in (predicted, target)])]
        if side > 64:
            top, left = torch.randint(side - WINDOW + 1, (2,), generator=rng).tolist()
            views.append((3, [x[:, :, top : top + WINDOW, left : left + WINDOW] for x in (predicted, target)]))
        terms = [self.perceptual(depth, *view) for depth, view in views]
        return {
            "l1": L1_WEIGHT * losses.mean_absolute(predicted, target),
            "perceptual": self.weight * torch.stack(terms).mean(),
        }

    def pyramid(self, predicted: Tensor, target: Tensor) -> Tensor:
        """Return the VGG term over the pyramid, made by the blurred downsampling of the networks."""
        terms = []
        for level in range(SCALES):
            if predicted.shape[2] >> level < SMALLEST:
                break
            down = AntiAliasDownsample(3, 0.5**level).to(predicted.device)
            terms.append(self.perceptual(5, down(predicted), down(target)))
        return torch.stack(terms).sum()

    def perceptual(self, depth: int, predicted: Tensor, target: Tensor) -> Tensor:
        predicted, target = (x.contiguous(memory_format=torch.channels_last) for x in (predicted, target))
        with torch.autocast(predicted.device.type, torch.bfloat16, enabled=self.bf16):
            with torch.no_grad():
                wanted = self.features(target, depth)
            found = self.features(predicted, depth)
        return losses.perceptual(
            [x.float() for x in found], [x.float() for x in wanted], relative=isinstance(self.features, VggFeatures)
        )
