"""AVD network of MRAA and TPSM: transfers a driving pose to the source's shape."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class AVDNetwork(nn.Module):
    """Animation via disentanglement: the driving pose with the source's shape (MRAA, Siarohin et al. CVPR 2021).

    size: numbers that describe one frame (MRAA: six per region; TPSM: two per point).
    """

    def __init__(self, size: int, id_bottle_size: int, pose_bottle_size: int):
        super().__init__()
        self.id_encoder = _mlp(size, 256, 512, 1024, id_bottle_size)
        self.pose_encoder = _mlp(size, 256, 512, 1024, pose_bottle_size)
        self.decoder = _mlp(id_bottle_size + pose_bottle_size, 1024, 512, 256, size)

    def forward(self, source: Tensor, driving: Tensor) -> Tensor:
        """Return a description ``(N, …)`` of the new frame. source, driving: ``(N, …)``, `size` numbers each."""
        pose, identity = self.pose_encoder(driving.flatten(1)), self.id_encoder(source.flatten(1))
        return self.decoder(torch.cat([pose, identity], dim=1)).view(driving.shape)


def _mlp(*sizes: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in zip(sizes[:-2], sizes[1:-1]):
        layers += [nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))
