"""Other ways to compute a network's layers on a CPU; the same numbers up to rounding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval

from baselines.blocks.conv import UpBlock
from baselines.parallel_map import parallel_map
from baselines.precision import in_float32

_LAST = torch.channels_last
_WIDE = 48  # least channels in and out; NNPACK is slower than oneDNN for fewer
_SMALL = 24  # least side of images; for smaller ones NNPACK is slower, because every call transforms the kernels
_SMALLEST_DOUBLED = 8  # least side before doubling; below, separate doubling and convolution are faster
_VOLUME = 1024  # elements of a volume above which oneDNN is faster than a matrix product of copies
_HOLDS = 1e-4  # tolerance as a share of the largest value; NNPACK's Winograd transforms stay within 2e-5
Convolution = nn.Conv2d | nn.Conv3d
Forward = Callable[[Tensor], Tensor]


def replace_convolutions(layers: Iterable[nn.Module]) -> None:
    """Give every convolution of `layers` a faster forward. The modules and their parameters do not change."""
    layers = list(layers)
    folded: dict[nn.Module, Any] = {}  # convolution to one with the batch norm folded in
    for conv, norm in _followed(layers):
        folded[conv] = fuse_conv_bn_eval(conv, norm)
        vars(norm)["forward"] = _unchanged
    # Instance norms copy channels-last tensors, and their result is slow to enlarge.
    last = not any(isinstance(layer, nn.InstanceNorm2d) for layer in layers)
    for layer in layers:
        if type(layer) is nn.Conv2d:
            vars(layer)["forward"] = _convolve_image(folded.get(layer, layer), last)
        elif type(layer) is nn.Conv3d:
            vars(layer)["forward"] = _convolve_volume(folded.get(layer, layer))
        elif type(layer) is UpBlock and layer.conv.kernel_size == (3, 3):
            vars(layer)["forward"] = _fuse_upsample_conv(layer, folded.get(layer.conv, layer.conv))


def _followed(layers: list[nn.Module]) -> Iterator[tuple[Convolution, _BatchNorm]]:
    """Yield every convolution of `layers` whose output goes only to a batch norm, with that norm."""
    known = {*layers}
    for block in layers:
        names = getattr(block, "norm_after", {}).items()
        pairs = [(getattr(block, conv, None), getattr(block, norm, None)) for conv, norm in names]
        if type(block) is nn.Sequential:
            children = [*block.children()]
            pairs += zip(children, children[1:])
        for conv, norm in pairs:
            if isinstance(conv, Convolution) and isinstance(norm, _BatchNorm) and {conv, norm} <= known:
                yield conv, norm


def _unchanged(x: Tensor) -> Tensor:
    return x


def _detached(bias: Tensor | None) -> Tensor | None:
    return None if bias is None else bias.detach()


def _convolve_image(conv: nn.Conv2d, last: bool) -> Forward:
    weight, bias = conv.weight.detach(), _detached(conv.bias)
    kernel = weight.contiguous(memory_format=_LAST) if last else weight
    square = conv.kernel_size == (3, 3) and conv.padding == conv.stride == conv.dilation == (1, 1)
    wide = square and conv.groups == 1 and conv.padding_mode == "zeros" and min(weight.shape[:2]) >= _WIDE
    wide = wide and nnpack_holds()

    def forward(x: Tensor) -> Tensor:
        if wide and len(x) == 1 and min(x.shape[2:]) >= _SMALL and in_float32(x):
            return torch._nnpack_spatial_convolution(x.contiguous(), weight, bias, 1, 1)
        return conv._conv_forward(x, kernel, bias)

    return forward


def _fuse_upsample_conv(block: UpBlock, conv: nn.Conv2d) -> Forward:
    """Fuse nearest-neighbor doubling and a 3 x 3 convolution to a transposed convolution with 16 of 36 products.

    Its 4 x 4 kernel of stride 2 is the sum of four shifted copies of the 3 x 3 one.
    """
    plain, weight, bias = block.forward, conv.weight.detach(), _detached(conv.bias)
    copies = F.conv2d(weight.flatten(0, 1)[:, None], weight.new_ones(1, 1, 2, 2), padding=1)
    kernel = copies.view(*weight.shape[:2], 4, 4).flip(2, 3).transpose(0, 1).contiguous(memory_format=_LAST)

    def forward(x: Tensor) -> Tensor:
        if len(x) > 1 or min(x.shape[2:]) < _SMALLEST_DOUBLED:
            return plain(x)
        return F.relu(block.norm(F.conv_transpose2d(x, kernel, bias, stride=2, padding=1)))

    return forward


def _convolve_volume(conv: nn.Conv3d) -> Forward:
    """Convolve by oneDNN where torch would copy the volume into one large matrix.

    That is up to ten times as fast. torch's own choice counts a volume's depth, but neither height nor width.
    """
    weight, bias = conv.weight.detach(), _detached(conv.bias)
    padding = conv.padding if not isinstance(conv.padding, str) and conv.padding_mode == "zeros" else None
    by_onednn = torch.backends.mkldnn.is_available()

    def forward(x: Tensor) -> Tensor:
        if by_onednn and padding is not None and x.shape[2:].numel() >= _VOLUME and in_float32(x):
            return torch.mkldnn_convolution(x, weight, bias, padding, conv.stride, conv.dilation, conv.groups)
        return conv._conv_forward(x, weight, bias)

    return forward


@cache
def nnpack_holds() -> bool:
    """Return whether torch has NNPACK's convolution (a private call), and it agrees with torch's own."""
    if not hasattr(torch, "_nnpack_spatial_convolution") or not torch._nnpack_available():
        return False
    noise = torch.Generator().manual_seed(0)
    x, weight, bias = (torch.randn(shape, generator=noise) for shape in ((1, 64, 30, 37), (48, 64, 3, 3), (48,)))
    try:
        # NNPACK keeps a pool of as many threads as are set at its first call; here that is one.
        (found,) = parallel_map(lambda image: torch._nnpack_spatial_convolution(image, weight, bias, 1, 1), [x])
    except (RuntimeError, TypeError):
        return False
    expected = F.conv2d(x.double(), weight.double(), bias.double(), padding=1)
    return bool((found - expected).abs().max() < _HOLDS * expected.abs().max())
