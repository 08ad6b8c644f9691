"""Encoder, residual bottleneck and decoder of the generators of FOMM, MRAA and DaGAN."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from baselines.blocks.conv import DownBlock, ResBlock, SameBlock, UpBlock


class ImageGenerator(nn.Module):
    """The generator's layers around the warping (FOMM supplementary, "Generator"); subclasses define the forward.

    motion: the model's motion network and its name in the checkpoints. final_kernel: of the last convolution.
    """

    def __init__(
        self,
        motion: tuple[str, nn.Module],
        num_channels: int = 3,
        block_expansion: int = 64,
        max_features: int = 512,
        num_down_blocks: int = 2,
        num_bottleneck_blocks: int = 6,
        final_kernel: int = 7,
    ):
        super().__init__()
        self.add_module(*motion)
        self.first = SameBlock(num_channels, block_expansion, kernel_size=7)
        self.widths = [min(max_features, block_expansion * 2**i) for i in range(num_down_blocks + 1)]
        steps = list(zip(self.widths, self.widths[1:]))
        self.down_blocks = nn.ModuleList(DownBlock(a, b) for a, b in steps)
        self.up_blocks = nn.ModuleList(UpBlock(b, a) for a, b in reversed(steps))
        self.bottleneck = nn.Sequential()
        for i in range(num_bottleneck_blocks):
            self.bottleneck.add_module(f"r{i}", ResBlock(self.widths[-1]))
        self.final = nn.Conv2d(block_expansion, num_channels, kernel_size=final_kernel, padding=final_kernel // 2)

    def encode(self, image: Tensor, added: Sequence[Tensor] | None = None) -> list[Tensor]:
        """Return features of ``(N, 3, H, W)``, fine to coarse: `widths` channels, each half the size of the previous.

        added: tensors to add to the input of each down block (OSTNet's scale embedding).
        """
        features = [self.first(image)]
        for i, block in enumerate(self.down_blocks):
            features.append(block(features[-1] if added is None else features[-1] + added[i]))
        return features

    def decode(self, feature: Tensor, added: Sequence[Tensor] | None = None) -> Tensor:
        """Return the frame ``(N, 3, H, W)`` in (0, 1). feature: the coarsest; added: to the input of each up block."""
        feature = self.bottleneck(feature)
        for i, block in enumerate(self.up_blocks):
            feature = block(feature if added is None else feature + added[i])
        return torch.sigmoid(self.final(feature))
