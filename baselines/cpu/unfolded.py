"""Convolutions with few places to compute, as one product of matrices."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.precision import in_float32

_WIDE = 64  # channels in and out
_PLACES = 16  # of the result


def unfold_small(conv: nn.Conv2d) -> None:
    """Let a wide convolution of one sample with up to 16 places in its result be a product; others stay as they are.

    Reading the kernels is most of its work then, and oneDNN brings them into an order of its own before, every time.
    """
    wide = min(conv.weight.shape[:2]) >= _WIDE and conv.groups == 1 and max(conv.kernel_size) > 1
    if wide and conv.padding_mode == "zeros" and not isinstance(conv.padding, str):
        conv.forward = _as_product(conv)


def _as_product(conv: nn.Conv2d) -> Callable[[Tensor], Tensor]:
    plain, bias = conv.forward, conv.bias
    kernels = conv.weight.detach().flatten(1).t().contiguous()
    shape = conv.kernel_size, conv.dilation, conv.padding, conv.stride
    reach = [d * (k - 1) for k, d in zip(conv.kernel_size, conv.dilation)]

    def forward(x: Tensor) -> Tensor:
        height, width = (
            (n + 2 * p - r - 1) // s + 1 for n, p, r, s in zip(x.shape[2:], conv.padding, reach, conv.stride)
        )
        if len(x) > 1 or height * width > _PLACES or not in_float32(x):
            return plain(x)
        places = F.unfold(x, *shape)[0].t()
        found = places @ kernels if bias is None else torch.addmm(bias, places, kernels)
        return found.view(1, height, width, -1).permute(0, 3, 1, 2)

    return forward
