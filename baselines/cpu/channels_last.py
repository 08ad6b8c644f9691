"""Networks on a CPU in channels-last order, in which a pixel's channels lie side by side in memory.

Convolutions of few channels on large images run at the processor's peak in that order, and at half to three quarters of
it in the other. It pays only where a tensor keeps the order from layer to layer, so what lies between convolutions is
here as well: norms, sums and the sampling of a feature. The same up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from baselines.blocks.conv import DownBlock, ResBlock, SameBlock
from baselines.cpu.unfolded import unfold_small
from baselines.cpu.winograd import fewer_products

_LAST = torch.channels_last


def keep_channels_last(network: nn.Module, exempt: Iterable[str] = ()) -> None:
    """Let the convolutions of `network`, and the blocks made of them, work in channels-last order."""
    spared = within(network, exempt)
    for layer in network.modules():
        if id(layer) in spared:
            continue
        if type(layer) is nn.Conv2d:
            layer.weight.data = layer.weight.data.contiguous(memory_format=_LAST)
            unfold_small(layer)
        elif type(layer) is nn.InstanceNorm2d and not layer.track_running_stats:
            layer.forward = _normaliser(layer)
        elif type(layer) in (SameBlock, DownBlock):
            layer.forward = _same(layer)
        elif type(layer) is ResBlock:
            layer.forward = _residual(layer)
        elif type(layer) is nn.Sequential:
            layer.forward = _sequence(layer)


def within(network: nn.Module, names: Iterable[str]) -> set[int]:
    """The ids of the submodules `names` and of all that they hold."""
    return {id(module) for name in names for module in network.get_submodule(name).modules()}


def _normaliser(norm: nn.InstanceNorm2d) -> Callable[[Tensor], Tensor]:
    """Instance normalisation of one sample as batch normalisation, which keeps the order."""
    plain = norm.forward

    def forward(x: Tensor) -> Tensor:
        if len(x) > 1:
            return plain(x)
        return F.batch_norm(x, None, None, norm.weight, norm.bias, training=True, eps=norm.eps)

    return forward


def folded(conv: nn.Conv2d, norm: nn.Module) -> tuple[nn.Conv2d, nn.Module]:
    """A convolution that does the work of the batch normalisation after it, too, and what is left of that norm.

    Both are new: the network keeps the parameters that its checkpoint has.
    """
    if not isinstance(norm, nn.BatchNorm2d):
        return conv, norm
    fused = fuse_conv_bn_eval(conv, norm)
    fused.weight.data = fused.weight.data.contiguous(memory_format=_LAST)
    if vars(fused).pop("forward", None):  # of the weights as they were
        fewer_products(fused)
    else:
        unfold_small(fused)
    return fused, nn.Identity()


def _same(block: SameBlock) -> Callable[[Tensor], Tensor]:
    (conv, norm), pool = folded(block.conv, block.norm), type(block) is DownBlock

    def forward(x: Tensor) -> Tensor:
        x = F.relu_(norm(conv(x)))
        return F.avg_pool2d(x, 2) if pool else x

    return forward


def _sequence(layers: nn.Sequential) -> Callable[[Tensor], Tensor]:
    steps: list[nn.Module] = []
    for layer in layers:
        if steps and type(steps[-1]) is nn.Conv2d:
            steps[-1:] = folded(steps[-1], layer) if isinstance(layer, nn.BatchNorm2d) else (steps[-1], layer)
        else:
            steps.append(layer)

    def forward(x: Tensor) -> Tensor:
        for step in steps:
            x = step(x)
        return x

    return forward


def _residual(block: ResBlock) -> Callable[[Tensor], Tensor]:
    conv1, norm2 = folded(block.conv1, block.norm2)

    def forward(x: Tensor) -> Tensor:
        x = x.contiguous(memory_format=_LAST)
        inner = conv1(F.relu_(block.norm1(x)))
        out = block.conv2(F.relu_(norm2(inner)))
        return out.add_(x) if out.dtype == x.dtype else x + out  # in bfloat16 the sum stays in float32

    return forward
