"""3 x 3 convolutions with fewer products on a CPU: minimal filtering by tiles.

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, section 4.2: 4 x 4 outputs take 36
products a pair of channels in place of 144. Exact in mathematics; in float32 it rounds some twenty times as coarsely as
the plain way, 2e-5 of the size of its results.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_WIDE = 192  # fewer channels do not pay for the transforms
_SMALL = 16  # nor do images of a smaller side
TILE = 4
_SIZE = TILE + 2
# Transforms of input, kernel and output: B^T, G and A^T of the paper.
_BEFORE = torch.tensor(
    [[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0]]
    + [[0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]],
    dtype=torch.float64,
)
_KERNEL = torch.tensor([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]], dtype=torch.float64)
_AFTER = torch.tensor(
    [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]], dtype=torch.float64
)


def fewer_products(conv: nn.Conv2d) -> None:
    """Let a 3 x 3 convolution of one sample go by tiles where that is faster; others stay as they are."""
    if min(conv.weight.shape[:2]) < _WIDE or conv.groups != 1 or conv.padding_mode != "zeros":
        return
    if (conv.kernel_size, conv.stride, conv.padding, conv.dilation) == ((3, 3), (1, 1), (1, 1), (1, 1)):
        conv.forward = _by_tiles(conv)


def _by_tiles(conv: nn.Conv2d) -> Callable[[Tensor], Tensor]:
    plain, kernels = conv.forward, transformed(conv.weight.detach())

    def forward(x: Tensor) -> Tensor:
        if len(x) > 1 or min(x.shape[2:]) < _SMALL or x.dtype != torch.float32:  # pairs come one at a time
            return plain(x)
        return convolve(x, kernels, conv.bias)

    return forward


def transformed(weight: Tensor) -> Tensor:
    """Kernels ``(O, C, 3, 3)`` as ``(36, C, O)`` for `convolve`; computed in float64."""
    kernel = _KERNEL / 24
    wide = torch.einsum("ij,ocjk,lk->ilco", kernel, weight.double(), kernel)
    return wide.flatten(0, 1).to(weight.dtype).contiguous()


def convolve(x: Tensor, kernels: Tensor, bias: Tensor | None) -> Tensor:
    """Convolution of ``(1, C, H, W)`` with zero padding of 1, from kernels of `transformed`: ``(1, O, H, W)``."""
    channels, height, width = x.shape[1:]
    rows, columns = -(-height // TILE), -(-width // TILE)
    before, after = (torch.kron(matrix, matrix).to(x.dtype) for matrix in (_BEFORE, _AFTER))
    # Channels last: whatever has to be moved is moved in long runs.
    padded = F.pad(x[0].permute(1, 2, 0), (0, 0, 1, TILE * columns + 1 - width, 1, TILE * rows + 1 - height))
    tiles = padded.unfold(0, _SIZE, TILE).unfold(1, _SIZE, TILE).permute(3, 4, 0, 1, 2)
    values = before @ tiles.reshape(_SIZE**2, -1)
    products = torch.bmm(values.view(_SIZE**2, rows * columns, channels), kernels)
    found = after @ products.view(_SIZE**2, -1)
    found = found.view(TILE, TILE, rows, columns, -1).permute(4, 2, 0, 3, 1)
    found = found.reshape(-1, TILE * rows, TILE * columns)[:, :height, :width]
    return found[None].contiguous() if bias is None else found[None] + bias[:, None, None]
