"""3 x 3 convolutions with fewer products on a CPU: minimal filtering by tiles.

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, section 4. A tile of m x m outputs takes
(m + 2)^2 products a pair of channels in place of 9 m^2: 2.25 times fewer for m = 2, 4 times for m = 4. Exact in
mathematics; in float32 the rounding of m = 2 is that of the plain way, of m = 4 some twenty times as large.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_WIDE = 192  # fewer channels do not pay for the transforms
_DEEP = 256
_SMALL = 16  # up to this side oneDNN waits for weights more than it computes
_FINE, _COARSE = 2, 4


def fewer_products(conv: nn.Conv2d, coarse: bool = False) -> None:
    """Let a convolution choose its way by the size of what it is given. coarse: tiles of 4 x 4 are exact enough."""
    if (conv.kernel_size, conv.stride, conv.padding, conv.dilation) != ((3, 3), (1, 1), (1, 1), (1, 1)):
        return
    channels = min(conv.weight.shape[:2])
    if conv.groups != 1 or conv.padding_mode != "zeros" or channels < (_WIDE if coarse else _DEEP):
        return
    conv.forward = _by_tiles(conv, coarse)


def _by_tiles(conv: nn.Conv2d, coarse: bool) -> Callable[[Tensor], Tensor]:
    plain = conv.forward
    kernels: dict[int, Tensor] = {}

    def forward(x: Tensor) -> Tensor:
        side = min(x.shape[2:])
        tile = _COARSE if coarse and side > _SMALL else _FINE if side <= _SMALL and channels >= _DEEP else 0
        if not tile or len(x) > 1 or x.dtype != torch.float32:  # pairs come one at a time
            return plain(x)
        if tile not in kernels:
            kernels[tile] = transformed(conv.weight.detach(), tile)
        return convolve(x, kernels[tile], conv.bias, tile)

    channels = min(conv.weight.shape[:2])
    return forward


def transformed(weight: Tensor, tile: int) -> Tensor:
    """Kernels ``(O, C, 3, 3)`` as ``((tile + 2)^2, C, O)`` for `convolve`; computed in float64."""
    _, kernel, _ = _matrices(tile)
    wide = torch.einsum("ij,ocjk,lk->ilco", kernel, weight.double(), kernel)
    return wide.flatten(0, 1).to(weight.dtype).contiguous()


def convolve(x: Tensor, kernels: Tensor, bias: Tensor | None, tile: int) -> Tensor:
    """Convolution of ``(1, C, H, W)`` with zero padding of 1, from kernels of `transformed`: ``(1, O, H, W)``."""
    channels, height, width = x.shape[1:]
    size, rows, columns = tile + 2, -(-height // tile), -(-width // tile)
    before, _, after = (matrix.to(x.dtype) for matrix in _matrices(tile))
    # Channels last: whatever has to be moved is moved in long runs.
    padded = F.pad(x[0].permute(1, 2, 0), (0, 0, 1, tile * columns + 1 - width, 1, tile * rows + 1 - height))
    tiles = padded.unfold(0, size, tile).unfold(1, size, tile).permute(3, 4, 0, 1, 2)
    values = torch.kron(before, before) @ tiles.reshape(size**2, -1)
    products = torch.bmm(values.view(size**2, rows * columns, channels), kernels)
    found = torch.kron(after, after) @ products.view(size**2, -1)
    found = found.view(tile, tile, rows, columns, -1).permute(4, 2, 0, 3, 1)
    found = found.reshape(-1, tile * rows, tile * columns)[:, :height, :width]
    return found[None].contiguous() if bias is None else found[None] + bias[:, None, None]


@cache
def _matrices(tile: int) -> tuple[Tensor, Tensor, Tensor]:
    """Transforms of input, kernel and output: B^T, G and A^T of the paper, float64."""
    if tile == _FINE:
        before = [[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]]
        kernel = [[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 2]]
        after = [[1, 1, 1, 0], [0, 1, -1, -1]]
        share = 2
    else:
        before = [[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0]]
        before += [[0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]]
        kernel = [[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]
        after = [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]
        share = 24
    matrices = (torch.tensor(rows, dtype=torch.float64) for rows in (before, kernel, after))
    first, second, third = matrices
    return first, second / share, third
