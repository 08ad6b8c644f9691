"""Layers of LIA's networks (Wang et al., ICLR 2022), which are StyleGAN2's (Karras et al., CVPR 2020, Sec. 2, App. B).

Stored weights have about unit variance; every layer divides its own by the square root of the fan-in when it runs.
Modules follow the tensor names of the released checkpoints, which include blur kernels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

TAPS = (1.0, 3.0, 3.0, 1.0)
SLOPE = 0.2
FLOOR = 1e-8  # added to a sum of squares before its root


class Fir(nn.Module):
    """Zero padding by ``pad`` (before, after) and a low-pass filter of `TAPS` in both directions, ``(N, C, H, W)``.

    gain: for a constant input; 4 after upsampling with zeros.
    """

    kernel: Tensor

    def __init__(self, pad: tuple[int, int], gain: float = 1.0):
        super().__init__()
        self.pad = (*pad, *pad)
        # In Python, because tensor arithmetic on the device "meta" loads torch's compiler.
        outer = [[gain * a * b / sum(TAPS) ** 2 for b in TAPS] for a in TAPS]
        self.register_buffer("kernel", torch.tensor(outer))

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        kernel = self.kernel.flip(0, 1).expand(channels, 1, -1, -1)
        return F.conv2d(F.pad(x, self.pad), kernel, groups=channels)


class Doubling(Fir):
    """Double ``(N, C, H, W)`` to ``(N, C, 2H, 2W)``: a zero after every value, the last one too, then the low-pass."""

    def __init__(self) -> None:
        super().__init__((2, 1), gain=4.0)

    def forward(self, x: Tensor) -> Tensor:
        n, channels, h, w = x.shape
        spread = x.new_zeros(n, channels, h, 2, w, 2)
        spread[:, :, :, 0, :, 0] = x
        return super().forward(spread.view(n, channels, 2 * h, 2 * w))


class Activation(nn.Module):
    """Bias per channel, leaky ReLU, and a gain that keeps the variance."""

    def __init__(self, channels: int):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return math.sqrt(2) * F.leaky_relu(x + self.bias, SLOPE)


class ScaledConv(nn.Module):
    """A convolution without bias."""

    def __init__(self, given: int, made: int, size: int, stride: int = 1, padding: int = 0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(made, given, size, size))
        self.scale, self.stride, self.padding = 1 / math.sqrt(given * size**2), stride, padding

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.scale * self.weight, stride=self.stride, padding=self.padding)


class ScaledLinear(nn.Module):
    """A linear layer with an unscaled bias, initialized to `bias`."""

    def __init__(self, given: int, made: int, bias: float = 0.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(made, given))
        self.bias = nn.Parameter(torch.full((made,), bias))
        self.scale = 1 / math.sqrt(given)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.scale * self.weight, self.bias)


class ModulatedConv(nn.Module):
    """A convolution with kernels scaled by a code ``(N, D)``, one factor per input channel.

    demodulate: divide the output by the norm of each scaled kernel. double: a transposed convolution of stride 2 and a
    low-pass, ``(N, C, H, W)`` to ``(N, C', 2H, 2W)``.
    The factors are applied to input and output instead of the kernels, which is equivalent and lets all samples share
    the kernels.
    """

    def __init__(self, given: int, made: int, size: int, code: int, demodulate: bool = True, double: bool = False):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, made, given, size, size))
        self.modulation = ScaledLinear(code, given, bias=1.0)
        self.blur = Fir((1, 1), gain=4.0) if double else None
        self.scale, self.padding, self.demodulate = 1 / math.sqrt(given * size**2), size // 2, demodulate

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        kernel, factors = self.scale * self.weight[0], self.modulation(code)
        x = x * factors[:, :, None, None]
        if self.blur is None:
            x = F.conv2d(x, kernel, padding=self.padding)
        else:
            x = F.conv_transpose2d(x, kernel.transpose(0, 1), stride=2)
        if self.demodulate:
            squares = F.linear(factors.square(), kernel.square().sum((2, 3)))
            x = x * torch.rsqrt(squares + FLOOR)[:, :, None, None]
        return x if self.blur is None else self.blur(x)


class Noise(nn.Module):
    """The strength of StyleGAN2's noise: in every checkpoint, but unused, since LIA's decoder gets no noise."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))


class StyledConv(nn.Module):
    """A modulated 3 x 3 convolution and its activation. double: double the side."""

    def __init__(self, given: int, made: int, code: int, double: bool = False):
        super().__init__()
        self.conv = ModulatedConv(given, made, 3, code, double=double)
        self.noise = Noise()
        self.activate = Activation(made)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        return self.activate(self.conv(x, code))
