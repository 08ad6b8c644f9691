"""Peak signal-to-noise ratio, rightly computed and as the papers' script computed it."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.metrics.base import each_pair

# Two identical frames have no finite PSNR, and one infinite pair would make every mean infinite. 100 dB stands for
# them: one grey level of difference in one value of a 256 x 256 frame already gives 101 dB.
CAP = 100.0


def psnr(prediction: Tensor, reference: Tensor) -> Tensor:
    """10 log10(1 / MSE) over all pixels and channels of images in [0, 1]; at most `CAP` dB."""

    def one(x: Tensor, y: Tensor) -> Tensor:
        return decibels((x - y).flatten().square_().mean(dtype=torch.float64), 1.0)

    return each_pair(one, prediction, reference)


def psnr_uint8(prediction: Tensor, reference: Tensor) -> Tensor:
    """PSNR of uint8 images whose difference and its square wrap around modulo 256, as NumPy's do; at most `CAP` dB.

    It is 7 to 8 dB above the true PSNR of real reconstructions and explains the printed columns (29-34 dB beside
    an L1 of 0.03-0.07). A difference of 16 grey levels squares to 0 here.
    """

    def one(x: Tensor, y: Tensor) -> Tensor:
        difference = to_uint8(x) - to_uint8(y)
        return decibels((difference * difference).sum(dtype=torch.int64).double() / difference.numel(), 255.0)

    return each_pair(one, prediction, reference)


def to_uint8(image: Tensor) -> Tensor:
    """Floats in [0, 1] as the grey levels of an 8-bit file, rounded half to even."""
    return image.mul(255).round_().clamp_(0, 255).to(torch.uint8)


def decibels(mean_square: Tensor, peak: float) -> Tensor:
    """10 log10(peak^2 / mean square), at most `CAP`."""
    return (10 * torch.log10(peak**2 / mean_square)).clamp(max=CAP)
