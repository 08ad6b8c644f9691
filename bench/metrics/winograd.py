"""Convolutions with fewer multiplications on a CPU: minimal filtering by tiles.

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, section 4: 4 x 4 outputs of a 3 x 3
kernel take 36 multiplications per pair of channels instead of 144; those of a 5 x 5 kernel 64 instead of 400. Exact in
mathematics; in float32 its rounding error is about twenty times that of a direct convolution, 2e-5 of the size of its
results.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from math import isqrt, prod

import torch
from torch import Tensor, nn

_WIDE = 64  # with fewer channels the transforms cost more than they save
_SMALL = 16  # the same for smaller images
_STRIP = 128  # tiles at a time, or half the number of channels: each time all kernels are read
_VALUES = 294_912  # of a strip: with small tiles and few channels a strip has more tiles
_TILE = 4
_POINTS = [Fraction(x) for x in (0, 1, -1, 2, -2)] + [Fraction(1, 2), Fraction(-1, 2)]


@cache
def transforms(kernel: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return B^T, G and A^T of the paper for 4 outputs of a kernel of side 3 or 5, float64.

    Cook and Toom: a product of polynomials from its values at as many points, the last one infinity; here transposed.
    """
    points = _POINTS[: _TILE + kernel - 2]
    at_infinity = [Fraction(0)] * (len(points) + 1)
    before, weights = [], []
    for point in points:
        others = [other for other in points if other != point]
        scale = prod(point - other for other in others)
        before.append([*_from_roots(others), Fraction(0)])
        weights.append([point**power / scale for power in range(kernel)])
    before.append(_from_roots(points))
    weights.append([*at_infinity[: kernel - 1], Fraction(1)])
    after = [[point**power for point in points] + [Fraction(power == _TILE - 1)] for power in range(_TILE)]
    made = [torch.tensor([[float(x) for x in row] for row in m], dtype=torch.float64) for m in (before, weights, after)]
    return made[0], made[1], made[2]


def _from_roots(roots: list[Fraction]) -> list[Fraction]:
    """Return the coefficients, lowest power first, of the polynomial with these roots."""
    found = [Fraction(1)]
    for root in roots:
        found = [low - root * high for low, high in zip([Fraction(0), *found], [*found, Fraction(0)])]
    return found


def use_winograd(conv: nn.Conv2d) -> None:
    """Use tiles for a 3 x 3 convolution of one sample where that is faster; leave others unchanged."""
    if min(conv.weight.shape[:2]) < _WIDE or conv.groups != 1 or conv.padding_mode != "zeros":
        return
    if (conv.kernel_size, conv.stride, conv.padding, conv.dilation) == ((3, 3), (1, 1), (1, 1), (1, 1)):
        vars(conv)["forward"] = _winograd(conv)  # patches this module only, not its class


def _winograd(conv: nn.Conv2d) -> Callable[[Tensor], Tensor]:
    plain, kernels = conv.forward, transformed(conv.weight.detach())

    def forward(x: Tensor) -> Tensor:
        if len(x) > 1 or min(x.shape[2:]) < _SMALL or x.dtype != torch.float32:  # pairs come one at a time
            return plain(x)
        return convolve(x, kernels, conv.bias)

    return forward


def transformed(weight: Tensor) -> Tensor:
    """Transform kernels ``(O, C, K, K)`` of side 3 or 5 to ``((K + 3)^2, C, O)`` for `convolve`, in float64."""
    matrix = transforms(weight.shape[-1])[1]
    wide = torch.einsum("ij,ocjk,lk->ilco", matrix, weight.double(), matrix)
    return wide.flatten(0, 1).to(weight.dtype).contiguous()


def convolve(x: Tensor, kernels: Tensor, bias: Tensor | None, *, relu: bool = False) -> Tensor:
    """Convolve ``(1, C, H, W)`` with zero padding: ``(1, O, H, W)``.

    kernels: from `transformed`. bias: ``(O,)``. relu: clip the result at 0.
    The result is in channels-last order, and `x` should be, too: copies then move long contiguous runs.
    """
    channels, height, width = x.shape[1:]
    outputs, size = kernels.shape[2], isqrt(len(kernels))
    edge = (size - _TILE) // 2
    rows, columns = -(-height // _TILE), -(-width // _TILE)
    before, _, after = (matrix.to(x.dtype) for matrix in transforms(size - _TILE + 1))
    right, bottom = _TILE * columns + edge - width, _TILE * rows + edge - height
    padded = x.new_empty(height + edge + bottom, width + edge + right, channels)
    # F.pad writes all of it twice.
    for border in (padded[:edge], padded[edge + height :], padded[:, :edge], padded[:, edge + width :]):
        border.zero_()
    padded[edge : edge + height, edge : edge + width] = x[0].permute(1, 2, 0)
    found = x.new_empty(rows, _TILE, columns, _TILE, outputs)
    into = found.permute(1, 3, 0, 2, 4)
    tiles = padded.unfold(0, size, _TILE).unfold(1, size, _TILE).permute(3, 4, 0, 1, 2)
    # In strips, so that the output of one step is still in the processor's cache when the next one reads it. Each call
    # releases and takes Python's lock, which parallel threads wait for: few calls per strip.
    step = max(1, max(_STRIP, channels // 2, _VALUES // (size**2 * channels)) // columns)
    for start in range(0, rows, step):
        count = min(step, rows - start)
        strip = tiles.narrow(2, start, count).reshape(size, -1)
        values = before @ (before @ strip).view(size, size, -1)  # rows, then columns of the tiles
        products = torch.bmm(values.view(size**2, -1, channels), kernels)
        if bias is not None:
            products[size + 1].add_(bias)  # the value at the point (1, 1) adds equally to all of a tile
        results = after @ (after @ products.view(size, -1)).view(_TILE, size, -1)
        place, results = into.narrow(2, start, count), results.view(_TILE, _TILE, count, columns, outputs)
        if relu:
            torch.clamp_min(results, 0, out=place)
        else:
            place.copy_(results)
    return found.view(1, _TILE * rows, _TILE * columns, outputs)[:, :height, :width].permute(0, 3, 1, 2)
