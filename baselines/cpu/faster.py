"""The same numbers in less time, on a CPU: other ways to convolve."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.blocks.conv import DownBlock, ResBlock, UpBlock
from baselines.cpu.channels_last import folded, within
from baselines.cpu.winograd import SMALL, SMALL_TILE, TILE, convolve, fewer_products, transformed
from baselines.precision import in_float32

_SMALLEST = 8  # below this side the plain way is faster
_VOLUME = 1024  # elements of a volume above which oneDNN is faster than a matrix product of copies
_WIDE_VOLUME = 32  # channels; tiles of fewer do not pay
_FEW = 6  # outputs of a convolution that leave most of a vector unit idle


def merge_doublings(network: nn.Module, exempt: Iterable[str] = ()) -> None:
    """Let every `UpBlock` double and convolve in one step, with 16 in place of 36 products an input value.

    Doubling by nearest neighbours and a 3 x 3 convolution are together a transposed convolution of stride 2, whose
    4 x 4 kernel is the sum of the 3 x 3 one's four copies. The same up to rounding; the submodules named `exempt`, of
    which rounding would be amplified, stay as they are.
    """
    spared = within(network, exempt)
    for block in network.modules():
        if id(block) not in spared and type(block) is UpBlock and block.conv.kernel_size == (3, 3):
            block.forward = _merged(block)


def convolve_by_tiles(network: nn.Module, exempt: Iterable[str] = ()) -> None:
    """Let the wide convolutions of residual and halving blocks take fewer products (`baselines.cpu.winograd`).

    The same up to rounding, which batch normalisation passes on as it is. Instance normalisation amplifies it, and gets
    small tiles, which pay in residual blocks only.
    """
    spared = within(network, exempt)
    for block in network.modules():
        if id(block) in spared:
            continue
        if type(block) is ResBlock:
            for conv in (block.conv1, block.conv2):
                fewer_products(conv, TILE if isinstance(block.norm1, nn.BatchNorm2d) else SMALL_TILE)
        elif type(block) is DownBlock and isinstance(block.norm, nn.BatchNorm2d):
            fewer_products(block.conv)


def convolve_by_blocks(network: nn.Module) -> None:
    """Let convolutions with few outputs compute blocks of neighbouring pixels at once, as channels.

    A processor's vector unit works on eight or sixteen outputs, and one to three leave it idle. Blocks of 2 x 2 pixels
    are the outputs of a kernel larger by one, moved by two; a single output has blocks of 4 x 4. The sums are the same.
    In float32 only: in bfloat16 torch 2.13 gives wrong sums of 8 x 8 kernels over 8 channels on processors with AMX.
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
    kernel = kernel.contiguous(memory_format=torch.channels_last)
    bias = None if conv.bias is None else conv.bias.detach().repeat_interleave(side**2)

    def forward(x: Tensor) -> Tensor:
        if x.shape[-2] % side or x.shape[-1] % side or not in_float32(x):
            return plain(x)
        return F.pixel_shuffle(F.conv2d(x, kernel, bias, side, conv.padding), side)

    return forward


def mix_before_enlarging(network: nn.Module, exempt: Iterable[str] = ()) -> None:
    """Let a bilinear enlargement and the convolution with few outputs after it work on few channels.

    What a place of the kernel makes of a pixel's channels can be taken before pixels are mixed as well as after: with
    3 outputs of 3 x 3 the 27 of them are enlarged in place of 128 channels, and added up moved. The same up to
    rounding.
    """
    spared = within(network, exempt)
    for block in network.modules():
        if type(block) is not nn.Sequential or id(block) in spared:
            continue
        for up, conv in zip(block, block[1:]):
            if type(up) is nn.Upsample and type(conv) is nn.Conv2d and conv.out_channels <= _FEW:
                _mix_first(up, conv)


def _mix_first(up: nn.Upsample, conv: nn.Conv2d) -> None:
    outputs, channels, *sides = conv.weight.shape
    mixed = outputs * sides[0] * sides[1]
    usual = conv.stride == conv.dilation == (1, 1) and conv.groups == 1 and conv.padding_mode == "zeros"
    if not usual or isinstance(conv.padding, str) or mixed >= channels:
        return
    plain, plain_conv, (down, right) = up.forward, conv.forward, conv.padding
    kernel = conv.weight.detach().permute(2, 3, 0, 1).reshape(mixed, channels, 1, 1)

    def mix(x: Tensor) -> Tensor:
        return plain(F.conv2d(x, kernel) if in_float32(x) else x)

    def add_up(x: Tensor) -> Tensor:
        if x.shape[1] == channels:
            return plain_conv(x)
        parts = F.pad(x, (right, right, down, down)).unflatten(1, (*sides, outputs))
        height, width = (size - side + 1 for size, side in zip(parts.shape[-2:], sides))
        places = [(i, j) for i in range(sides[0]) for j in range(sides[1])]
        found = sum(parts[:, i, j, :, i : i + height, j : j + width] for i, j in places)
        return found if conv.bias is None else found + conv.bias[:, None, None]

    up.forward, conv.forward = mix, add_up


def _merged(block: UpBlock) -> Callable[[Tensor], Tensor]:
    plain, (conv, norm) = block.forward, folded(block.conv, block.norm)
    weight, bias = conv.weight.detach(), conv.bias.detach()
    copies = F.conv2d(weight.flatten(0, 1)[:, None], weight.new_ones(1, 1, 2, 2), padding=1)
    kernel = copies.view(*weight.shape[:2], 4, 4).flip(2, 3).transpose(0, 1)
    kernel = kernel.contiguous(memory_format=torch.channels_last)

    def forward(x: Tensor) -> Tensor:
        if len(x) > 1 or min(x.shape[2:]) < _SMALLEST:  # pairs come one at a time
            return plain(x)
        return F.relu_(norm(F.conv_transpose2d(x, kernel, bias, stride=2, padding=1)))

    return forward


def convolve_volumes(network: nn.Module, exempt: Iterable[str] = ()) -> None:
    """Let convolutions of volumes go by tiles, or to oneDNN where torch would copy them into one large matrix.

    That is up to ten times as fast; torch chooses by the size of the first dimensions, and counts a volume's depth but
    neither height nor width. Tiles (`baselines.cpu.winograd`) take half the time, the same up to rounding.
    """
    spared = within(network, exempt)
    for conv in network.modules() if torch.backends.mkldnn.is_available() else ():
        plain_zeros = type(conv) is nn.Conv3d and conv.padding_mode == "zeros" and not isinstance(conv.padding, str)
        if plain_zeros and id(conv) not in spared:
            conv.forward = _as_volume(conv)


def _as_volume(conv: nn.Conv3d) -> Callable[[Tensor], Tensor]:
    plain, settings = conv.forward, (conv.padding, conv.stride, conv.dilation, conv.groups)
    tiled = conv.kernel_size == (3, 3, 3) and settings == ((1, 1, 1), (1, 1, 1), (1, 1, 1), 1)
    tiled = tiled and min(conv.weight.shape[:2]) >= _WIDE_VOLUME
    kernels = cache(lambda: transformed(conv.weight.detach()))  # four times the weights: only where they are used

    def forward(x: Tensor) -> Tensor:
        if x.shape[2:].numel() < _VOLUME or not in_float32(x):
            return plain(x)
        if tiled and len(x) == 1 and min(x.shape[3:]) >= SMALL:
            return convolve(x, kernels(), conv.bias)
        return torch.mkldnn_convolution(x, conv.weight, conv.bias, *settings)

    return forward
