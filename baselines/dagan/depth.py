"""DaGAN's face depth network (Hong et al. 2022, Sec. 3.1; layout of Monodepth2, Godard et al. 2019).

It is trained beforehand without depth labels and stays frozen; encoder and decoder are separate files.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.blocks.resnet import ResNet18

WIDTHS = (16, 32, 64, 128, 256)  # of the decoder, fine to coarse


class DepthEncoder(nn.Module):
    """Map an image ``(N, 3, H, W)`` in [0, 1] to five features, H/2 to H/32; the file's classifier is not used."""

    def __init__(self, width: int = 64):
        super().__init__()
        self.encoder = ResNet18(1000, width=width)

    def forward(self, image: Tensor) -> list[Tensor]:
        return self.encoder.features((image - 0.45) / 0.225)


class ReflectConv(nn.Module):
    """3x3 convolution with reflected borders."""

    def __init__(self, in_features: int, out_features: int):
        super().__init__()
        self.conv = nn.Conv2d(in_features, out_features, 3, padding=1, padding_mode="reflect")

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class ConvElu(nn.Module):
    """`ReflectConv`, then ELU."""

    def __init__(self, in_features: int, out_features: int):
        super().__init__()
        self.conv = ReflectConv(in_features, out_features)

    def forward(self, x: Tensor) -> Tensor:
        return F.elu(self.conv(x))


class DepthDecoder(nn.Module):
    """Map the encoder's features to disparities ``(N, 1, H/2^s, W/2^s)`` in (0, 1) for s of `scales`, largest first."""

    scales = (0, 1, 2, 3)

    def __init__(self, width: int = 64, widths: tuple[int, ...] = WIDTHS):
        super().__init__()
        encoder = [width, width, 2 * width, 4 * width, 8 * width]
        layers: list[nn.Module] = []
        for i in reversed(range(5)):
            layers.append(ConvElu(encoder[4] if i == 4 else widths[i + 1], widths[i]))
            layers.append(ConvElu(widths[i] + (encoder[i - 1] if i else 0), widths[i]))
        layers += [ReflectConv(widths[s], 1) for s in self.scales]
        self.decoder = nn.ModuleList(layers)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        x, disparities = features[-1], {}
        for step, i in enumerate(reversed(range(5))):
            x = F.interpolate(self.decoder[2 * step](x), scale_factor=2)
            x = torch.cat([x, features[i - 1]], dim=1) if i else x
            x = self.decoder[2 * step + 1](x)
            if i in self.scales:
                disparities[i] = torch.sigmoid(self.decoder[10 + i](x))
        return [disparities[s] for s in self.scales]
