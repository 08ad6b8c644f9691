"""The same numbers in less time, on a CPU: other ways to convolve, and what many pairs share computed once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights

from baselines.blocks.conv import ResBlock, UpBlock
from baselines.winograd import fewer_products

BUDGET = 96 * 2**20  # bytes that the results of one function may take, with what they were computed from
_SMALLEST = 8  # below this side the plain way is faster
_FEW = 6  # outputs of a convolution that leave most of a vector unit idle


def merge_doublings(network: nn.Module, exempt: Iterable[str] = ()) -> None:
    """Let every `UpBlock` double and convolve in one step, with 16 in place of 36 products an input value.

    Doubling by nearest neighbours and a 3 x 3 convolution are together a transposed convolution of stride 2, whose
    4 x 4 kernel is the sum of the 3 x 3 one's four copies. Batch normalisation goes into it, too. The same up to
    rounding; the submodules named `exempt`, of which rounding would be amplified, stay as they are.
    """
    spared = {id(block) for name in exempt for block in network.get_submodule(name).modules()}
    for block in network.modules():
        if id(block) not in spared and type(block) is UpBlock and block.conv.kernel_size == (3, 3):
            block.forward = _merged(block)


def convolve_by_tiles(network: nn.Module, exempt: Iterable[str] = ()) -> None:
    """Let the wide convolutions of residual blocks take fewer products (`baselines.winograd`).

    The same up to rounding, which batch normalisation passes on as it is; instance normalisation would amplify it.
    """
    spared = {id(block) for name in exempt for block in network.get_submodule(name).modules()}
    for block in network.modules():
        if type(block) is ResBlock and isinstance(block.norm1, nn.BatchNorm2d) and id(block) not in spared:
            fewer_products(block.conv1)
            fewer_products(block.conv2)


def convolve_by_blocks(network: nn.Module) -> None:
    """Let convolutions with few outputs compute blocks of neighbouring pixels at once, as channels.

    A processor's vector unit works on eight or sixteen outputs, and one to three leave it idle. Blocks of 2 x 2 pixels
    are the outputs of a kernel larger by one, moved by two; a single output has blocks of 4 x 4. The sums are the same.
    """
    for conv in network.modules():
        if type(conv) is nn.Conv2d and conv.out_channels <= _FEW and conv.groups == 1 and conv.padding_mode == "zeros":
            (height, width), padding = conv.kernel_size, conv.padding
            if height > 1 and padding == (height // 2, width // 2) and conv.stride == conv.dilation == (1, 1):
                conv.forward = _by_blocks(conv)


def _by_blocks(conv: nn.Conv2d) -> Callable[[Tensor], Tensor]:
    plain, side = conv.forward, 4 if conv.out_channels == 1 else 2
    moved = [(right, side - 1 - right, down, side - 1 - down) for down in range(side) for right in range(side)]
    kernel = torch.stack([F.pad(conv.weight.detach(), places) for places in moved], 1).flatten(0, 1)
    bias = None if conv.bias is None else conv.bias.detach().repeat_interleave(side**2)

    def forward(x: Tensor) -> Tensor:
        if x.shape[-2] % side or x.shape[-1] % side:
            return plain(x)
        return F.pixel_shuffle(F.conv2d(x, kernel, bias, side, conv.padding), side)

    return forward


def _merged(block: UpBlock) -> Callable[[Tensor], Tensor]:
    plain, norm = block.forward, block.norm
    weight, bias = block.conv.weight.detach(), block.conv.bias.detach()
    if isinstance(norm, nn.BatchNorm2d):
        folded = fuse_conv_bn_weights(
            weight, bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
        )
        weight, bias = (part.detach() for part in folded)
        norm = nn.Identity()
    copies = F.conv2d(weight.flatten(0, 1)[:, None], weight.new_ones(1, 1, 2, 2), padding=1)
    kernel = copies.view(*weight.shape[:2], 4, 4).flip(2, 3).transpose(0, 1).contiguous()

    def forward(x: Tensor) -> Tensor:
        if len(x) > 1 or min(x.shape[2:]) < _SMALLEST:  # pairs come one at a time
            return plain(x)
        return F.relu(norm(F.conv_transpose2d(x, kernel, bias, stride=2, padding=1)))

    return forward


def reuse(network: nn.Module, paths: Iterable[str]) -> None:
    """Let the functions at `paths` (``detect``, ``generator.encode``) remember what they gave for a pair's tensors.

    They must depend on their tensors only. A clip's source is encoded once for all its pairs, and a frame that drives
    many sources is looked at once; the result has the very bits that computing it again would give.
    """
    for path in paths:
        owner, _, name = path.rpartition(".")
        module = network.get_submodule(owner)
        setattr(module, name, Remembered(getattr(module, name)))


class Remembered:
    """A function of tensors ``(1, …)`` (or None) that keeps its latest results, up to `budget` bytes of them.

    Its results may not be changed in place. Calls with gradients, or with other than one sample, pass through.
    """

    def __init__(self, function: Callable[..., Any], budget: int = BUDGET):
        self.function, self.budget = function, budget
        self.hits = self.size = 0
        self._kept: OrderedDict[tuple, tuple[tuple[Tensor | None, ...], Any, int]] = OrderedDict()

    def __call__(self, *arguments: Tensor | None) -> Any:
        usable = all(x is None or isinstance(x, Tensor) and len(x) == 1 for x in arguments)
        if torch.is_grad_enabled() or not usable:
            return self.function(*arguments)
        key = tuple(None if x is None else _fingerprint(x) for x in arguments)
        if key in self._kept:
            inputs, result, _ = self._kept[key]
            if all(
                a is b or (a is not None and b is not None and torch.equal(a, b)) for a, b in zip(inputs, arguments)
            ):
                self._kept.move_to_end(key)
                self.hits += 1
                return result
            self._forget(key)
        result = self.function(*arguments)
        # A view of a batch would keep all of it.
        inputs = tuple(None if x is None else x.clone() for x in arguments)
        size = sum(_bytes(x) for x in (*inputs, result))
        if size <= self.budget:
            self._kept[key] = inputs, result, size
            self.size += size
            while self.size > self.budget:
                self._forget(next(iter(self._kept)))
        return result

    def forget(self) -> None:
        """Keep nothing of what was computed."""
        self._kept.clear()
        self.size = 0

    def _forget(self, key: tuple) -> None:
        self.size -= self._kept.pop(key)[2]


def _fingerprint(x: Tensor) -> tuple[Any, ...]:
    """Equal for equal tensors, and nearly always another one for others, mirrored ones among them."""
    if x.dtype != torch.float32:
        return (*x.shape, x.dtype)
    bits = x.contiguous().view(torch.int32).flatten()
    return (*x.shape, int(bits.sum()), int(bits[::7].sum()))


def _bytes(value: Any) -> int:
    """Memory of the tensors in a value: a tensor, a list or tuple, or a dataclass of them."""
    if isinstance(value, Tensor):
        return value.untyped_storage().nbytes()
    if isinstance(value, (list, tuple)):
        return sum(_bytes(part) for part in value)
    if is_dataclass(value):
        return sum(_bytes(getattr(value, part.name)) for part in fields(value))
    return 0
