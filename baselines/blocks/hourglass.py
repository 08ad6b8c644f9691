"""U-shaped encoder and decoder with skip connections (FOMM supplementary, "Hourglass")."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.blocks.conv import DownBlock, Norm, UpBlock, batch_norm


class HourglassEncoder(nn.Module):
    """Halve the size ``num_blocks`` times; level i has ``min(max_features, block_expansion * 2^(i+1))`` channels."""

    def __init__(self, block_expansion: int, in_features: int, num_blocks: int, max_features: int, norm: Norm):
        super().__init__()
        self.widths = [in_features] + [min(max_features, block_expansion * 2 ** (i + 1)) for i in range(num_blocks)]
        self.down_blocks = nn.ModuleList(DownBlock(a, b, norm=norm) for a, b in zip(self.widths, self.widths[1:]))

    def forward(self, x: Tensor) -> list[Tensor]:
        levels = [x]
        for block in self.down_blocks:
            levels.append(block(levels[-1]))
        return levels


class HourglassDecoder(nn.Module):
    """Double the size at each level and append the encoder's feature of that size (decoder channels first)."""

    def __init__(self, block_expansion: int, in_features: int, num_blocks: int, max_features: int, norm: Norm):
        super().__init__()
        blocks = []
        self.level_features = []
        for i in reversed(range(num_blocks)):
            in_width = min(max_features, block_expansion * 2 ** (i + 1)) * (1 if i == num_blocks - 1 else 2)
            out_width = min(max_features, block_expansion * 2**i)
            blocks.append(UpBlock(in_width, out_width, norm=norm))
            skip = in_features if i == 0 else out_width
            self.level_features.append(out_width + skip)
        self.up_blocks = nn.ModuleList(blocks)

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        out, outputs = levels[-1], []
        for block, skip in zip(self.up_blocks, reversed(levels[:-1])):
            out = torch.cat([block(out), skip], dim=1)
            outputs.append(out)
        return outputs


class Hourglass(nn.Module):
    """Map ``(N, in_features, H, W)`` to ``(N, block_expansion + in_features, H, W)``.

    H and W are multiples of ``2**num_blocks``. `levels` returns all decoder outputs, coarse to fine (for TPSM's
    occlusion maps).
    """

    def __init__(
        self, block_expansion: int, in_features: int, num_blocks: int, max_features: int, norm: Norm = batch_norm
    ):
        super().__init__()
        self.encoder = HourglassEncoder(block_expansion, in_features, num_blocks, max_features, norm)
        self.decoder = HourglassDecoder(block_expansion, in_features, num_blocks, max_features, norm)
        self.out_features = self.decoder.level_features[-1]

    def levels(self, x: Tensor) -> list[Tensor]:
        return self.decoder(self.encoder(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.levels(x)[-1]
