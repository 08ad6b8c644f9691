"""Convolutions with fewer products on a CPU: minimal filtering by tiles.

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, section 4: 4 x 4 outputs of a 3 x 3
kernel take 36 products a pair of channels in place of 144, those of a 5 x 5 kernel 64 in place of 400. Exact in
mathematics; in float32 it rounds some twenty times as coarsely as the plain way, 2e-5 of the size of its results.
Tiles of 2 x 2 outputs take 16 products in place of 36, and round nearly as the plain way does.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from math import isqrt, prod

import torch
from torch import Tensor, nn

_WIDE = 64  # fewer channels do not pay for the transforms
SMALL = 16  # nor do images of a smaller side
_STRIP = 128  # tiles at a time, or half as many as there are channels: each time all kernels are read
_VALUES = 294_912  # of a strip, which has more tiles where they are small and have few channels
TILE, SMALL_TILE = 4, 2
_POINTS = [Fraction(x) for x in (0, 1, -1, 2, -2)] + [Fraction(1, 2), Fraction(-1, 2)]


@cache
def transforms(kernel: int, tile: int = TILE) -> tuple[Tensor, Tensor, Tensor]:
    """B^T, G and A^T of the paper for `tile` outputs of a kernel of side 3 or 5, float64.

    Cook and Toom: a product of polynomials from its values at as many points, the last one infinity; here transposed.
    """
    points = _POINTS[: tile + kernel - 2]
    at_infinity = [Fraction(0)] * (len(points) + 1)
    before, weights = [], []
    for point in points:
        others = [other for other in points if other != point]
        scale = prod(point - other for other in others)
        before.append([*_from_roots(others), Fraction(0)])
        weights.append([point**power / scale for power in range(kernel)])
    before.append(_from_roots(points))
    weights.append([*at_infinity[: kernel - 1], Fraction(1)])
    after = [[point**power for point in points] + [Fraction(power == tile - 1)] for power in range(tile)]
    made = [torch.tensor([[float(x) for x in row] for row in m], dtype=torch.float64) for m in (before, weights, after)]
    return made[0], made[1], made[2]


@cache
def _around(kernel: int, tile: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    before, _, after = transforms(kernel, tile)
    return before.to(dtype), after.to(dtype)


def _from_roots(roots: list[Fraction]) -> list[Fraction]:
    """Coefficients, lowest power first, of the polynomial with these roots."""
    found = [Fraction(1)]
    for root in roots:
        found = [low - root * high for low, high in zip([Fraction(0), *found], [*found, Fraction(0)])]
    return found


def use_winograd(conv: nn.Conv2d, tile: int = TILE) -> None:
    """Let a 3 x 3 convolution of one sample go by tiles where that is faster; others stay as they are."""
    if min(conv.weight.shape[:2]) < _WIDE or conv.groups != 1 or conv.padding_mode != "zeros":
        return
    if (conv.kernel_size, conv.stride, conv.padding, conv.dilation) == ((3, 3), (1, 1), (1, 1), (1, 1)):
        vars(conv)["forward"] = _winograd(conv, tile)  # of this one module, not of its class


def _winograd(conv: nn.Conv2d, tile: int) -> Callable[[Tensor], Tensor]:
    plain, kernels = conv.forward, transformed(conv.weight.detach(), tile)

    def forward(x: Tensor) -> Tensor:
        if len(x) > 1 or min(x.shape[2:]) < SMALL or x.dtype != torch.float32:  # pairs come one at a time
            return plain(x)
        return convolve(x, kernels, conv.bias, tile=tile)

    return forward


def transformed(weight: Tensor, tile: int = TILE) -> Tensor:
    """Kernels ``(O, C, K, K)`` of side 3 or 5 as ``((K + tile - 1)^2, C, O)`` for `convolve`; computed in float64.

    Those of volumes ``(O, C, D, K, K)`` as ``(D, (K + tile - 1)^2, C, O)``.
    """
    matrix = transforms(weight.shape[-1], tile)[1]
    wide = torch.einsum("ij,oc...jk,lk->...ilco", matrix, weight.double(), matrix)
    return wide.flatten(-4, -3).to(weight.dtype).contiguous()


def convolve(x: Tensor, kernels: Tensor, bias: Tensor | None, *, tile: int = TILE, relu: bool = False) -> Tensor:
    """Convolution of ``(1, C, H, W)`` with zeros around it: ``(1, O, H, W)``; or of a volume ``(1, C, D, H, W)``.

    kernels: of `transformed`, with its `tile`. bias: ``(O,)``. relu: nothing in the result is below 0.
    The result is in channels-last order, in which `x` should be: whatever has to be moved is moved in long runs then.
    """
    volume = x[0] if x.dim() == 5 else x[0][:, None]
    kernels = kernels if kernels.dim() == 4 else kernels[None]
    channels, depth, height, width = volume.shape
    outputs, size, reach = kernels.shape[3], isqrt(kernels.shape[1]), len(kernels) // 2
    edge = (size - tile) // 2
    rows, columns = -(-height // tile), -(-width // tile)
    before, after = _around(size - tile + 1, tile, x.dtype)
    right, bottom = tile * columns + edge - width, tile * rows + edge - height
    padded = x.new_empty(depth + 2 * reach, height + edge + bottom, width + edge + right, channels)
    inside = padded[reach : reach + depth]  # F.pad writes all of it twice
    borders = [inside[:, :edge], inside[:, edge + height :], inside[:, :, :edge], inside[:, :, edge + width :]]
    for border in [*borders, padded[:reach], padded[reach + depth :]] if reach else borders:
        border.zero_()
    inside[:, edge : edge + height, edge : edge + width] = volume.permute(1, 2, 3, 0)
    found = x.new_empty(depth, rows, tile, columns, tile, outputs)
    into = found.permute(2, 4, 0, 1, 3, 5)
    tiles = padded.unfold(1, size, tile).unfold(2, size, tile).permute(4, 5, 0, 1, 2, 3)
    nearest, *others = kernels
    # In strips, so that what one step writes is still in the processor's cache when the next one reads it. For each
    # call torch lets go of Python's lock and takes it again, for which threads side by side wait: few calls a strip.
    step = max(1, max(_STRIP, channels // 2, _VALUES // (size**2 * channels)) // (columns * depth))
    for start in range(0, rows, step):
        count = min(step, rows - start)
        strip = tiles.narrow(3, start, count).reshape(size, -1)
        values = before @ (before @ strip).view(size, size, -1)  # rows, then columns of the tiles
        if others:
            values = values.view(size**2, len(padded), -1, channels)
            products = torch.bmm(values[:, :depth].flatten(1, 2), nearest)
            for along, kernel in enumerate(others, start=1):
                products.baddbmm_(values[:, along : along + depth].flatten(1, 2), kernel)
        else:
            products = torch.bmm(values.view(size**2, -1, channels), nearest)
        if bias is not None:
            products[size + 1].add_(bias)  # the value at the point (1, 1) adds alike to all of a tile
        results = after @ (after @ products.view(size, -1)).view(tile, size, -1)
        place, results = into.narrow(3, start, count), results.view(tile, tile, depth, count, columns, outputs)
        if relu:
            torch.clamp_min(results, 0, out=place)
        else:
            place.copy_(results)
    made = found.view(1, depth, tile * rows, tile * columns, outputs)[:, :, :height, :width].permute(0, 4, 1, 2, 3)
    return made if x.dim() == 5 else made[:, :, 0]
