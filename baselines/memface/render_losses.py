"""Losses of MemFace's renderer (Eq. 6), one pure function each; all return an unweighted scalar.

Weights as printed: 20 for both parts of the reconstruction, 1 for the adversarial terms. Verdicts are logits of
"natural", of any shape; d of the paper is their sigmoid.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from baselines.training.losses import perceptual as perceptual  # VGG(., .) of Eq. 6 (Johnson et al., ECCV 2016)

RECONSTRUCTION, ADVERSARIAL = 20.0, 1.0  # lambda_rec and lambda_adv


def l2(rendered: Tensor, target: Tensor, where: Tensor | None = None) -> Tensor:
    """Return the root mean square of I - I' of images ``(B, 3, H, W)``, mean over the batch.

    That is the paper's norm, divided by the root of the number of values, so that it does not depend on the frame size.
    where: ``(B, 1, H, W)`` weights of the pixels in [0, 1].
    """
    squared = (rendered - target).square()
    if where is None:
        mean = squared.flatten(1).mean(1)
    else:
        count = where.flatten(1).sum(1).clamp_min(1e-6) * squared.shape[1]
        mean = (squared * where).flatten(1).sum(1) / count
    return (mean + 1e-12).sqrt().mean()


def discriminator(real: Tensor, rendered: Tensor) -> Tensor:
    """Return -E log d(I) - E log(1 - d(I')) of verdicts."""
    return F.softplus(-real).mean() + F.softplus(rendered).mean()


def generator(rendered: Tensor) -> Tensor:
    """Return E log(1 - d(I')) of verdicts, as printed; its gradient is small if the discriminator is confident."""
    return -F.softplus(rendered).mean()


def total(rendered: Tensor, target: Tensor, features: Sequence[Sequence[Tensor]], verdict: Tensor | None) -> Tensor:
    """Return the renderer's weighted terms of Eq. 6. features: of the rendered and the true image, layer by layer."""
    loss = RECONSTRUCTION * (l2(rendered, target) + perceptual(features[0], features[1]))
    return loss if verdict is None else loss + ADVERSARIAL * generator(verdict)


def sure(verdict: Tensor) -> Tensor:
    """Return the share of verdicts "natural", in [0, 1]; for monitoring, not a loss."""
    return (verdict > 0).to(torch.float32).mean()
