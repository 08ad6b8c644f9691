"""The three small networks that correct keypoints: stitching, eyes, lips (LivePortrait Sec. 3.3, Eqs. 5 to 9)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class PointNet(nn.Module):
    """Map source keypoints ``(N, K, 3)`` and numbers ``(N, M)`` to corrections ``(N, out)``; ReLU between layers."""

    def __init__(self, input_size: int, hidden_sizes: Sequence[int], output_size: int):
        super().__init__()
        layers: list[nn.Module] = []
        for a, b in pairwise((input_size, *hidden_sizes)):
            layers += [nn.Linear(a, b), nn.ReLU()]
        self.mlp = nn.Sequential(*layers, nn.Linear(hidden_sizes[-1], output_size))

    def forward(self, source: Tensor, given: Tensor) -> Tensor:
        return self.mlp(torch.cat([source.flatten(1), given.flatten(1)], dim=1))


def stitched(network: PointNet, source: Tensor, driving: Tensor) -> Tensor:
    """Return driving keypoints ``(N, K, 3)``, corrected so that the shoulders stay at their place in the source.

    The last two numbers of the network's output shift all points in x and y.
    """
    correction = network(source, driving)
    count = driving.shape[1] * 3
    each = driving + correction[:, :count].unflatten(1, (-1, 3))
    return each + nn.functional.pad(correction[:, count:], (0, 1))[:, None]


def retargeted(network: PointNet, source: Tensor, ratios: Tensor) -> Tensor:
    """Return the change ``(N, K, 3)`` of the source's keypoints for the wanted opening of eyes or lips.

    ratios: of the source, then wanted: ``(N, 3)`` left eye, right eye, wanted left eye; or ``(N, 2)`` for lips.
    """
    return network(source, ratios).unflatten(1, (-1, 3))
