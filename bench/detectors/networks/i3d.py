"""I3D with 400 classes of Kinetics, the network of FVD, implemented from the shapes of its weights.

Carreira and Zisserman, Quo Vadis, Action Recognition? (CVPR 2017). Keys are those of pytorch-i3d; it reads
``i3d_pretrained_400.pt``. Convolutions and pools have TensorFlow's "same" padding: zeros, depending on the input's
size.
"""

from __future__ import annotations

from itertools import chain

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SIDE, WIDTH, FEWEST = 224, 400, 9  # with fewer frames the output is empty
EPS, ORIGINAL_EPS = 1e-5, 1e-3  # of the copy in VideoGPT that FVD scripts use; of pytorch-i3d
Sides = tuple[int, int, int]
# Channels: b0, b1a, b1b, b2a, b2b, b3b; their four ends are concatenated.
MIXED = {
    "3b": (64, 96, 128, 16, 32, 32),
    "3c": (128, 128, 192, 32, 96, 64),
    "4b": (192, 96, 208, 16, 48, 64),
    "4c": (160, 112, 224, 24, 64, 64),
    "4d": (128, 128, 256, 24, 64, 64),
    "4e": (112, 144, 288, 32, 64, 64),
    "4f": (256, 160, 320, 32, 128, 128),
    "5b": (256, 160, 320, 32, 128, 128),
    "5c": (384, 192, 384, 48, 128, 128),
}


def pad_same(x: Tensor, kernel: Sides, stride: Sides) -> Tensor:
    """Pad ``(N, C, T, H, W)`` with zeros, one more at the end if their number is odd."""
    edges = []
    for size, side, step in zip(x.shape[2:], kernel, stride):
        total = max(side - (size % step or step), 0)
        edges.append((total // 2, total - total // 2))
    return F.pad(x, list(chain.from_iterable(reversed(edges))))


class Unit(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: Sides = (1, 1, 1), stride: Sides = (1, 1, 1)):
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.conv3d = nn.Conv3d(inputs, outputs, kernel, stride, bias=False)
        self.bn = nn.BatchNorm3d(outputs, eps=EPS)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv3d(pad_same(x, self.kernel, self.stride))))


class Pool(nn.Module):
    """Max pool, padded with zeros."""

    def __init__(self, kernel: Sides, stride: Sides):
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool3d(pad_same(x, self.kernel, self.stride), self.kernel, self.stride)


class Mixed(nn.Module):
    """Four paths side by side."""

    def __init__(self, inputs: int, widths: tuple[int, int, int, int, int, int]):
        super().__init__()
        b0, b1a, b1b, b2a, b2b, b3b = widths
        self.b0 = Unit(inputs, b0)
        self.b1a, self.b1b = Unit(inputs, b1a), Unit(b1a, b1b, (3, 3, 3))
        self.b2a, self.b2b = Unit(inputs, b2a), Unit(b2a, b2b, (3, 3, 3))
        self.b3a, self.b3b = Pool((3, 3, 3), (1, 1, 1)), Unit(inputs, b3b)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(self.b3a(x))], 1)


class Logits(nn.Module):
    """The classes' linear layer, at every time step."""

    def __init__(self) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(1024, WIDTH, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv3d(x)


class I3D(nn.Module):
    """Returns logits ``(N, 400)``, averaged over time, of RGB clips ``(N, 3, T, 224, 224)`` in [-1, 1], T >= 9."""

    def __init__(self) -> None:
        super().__init__()
        for name, layer in self._layers().items():
            self.add_module(name, layer)

    @staticmethod
    def _layers() -> dict[str, nn.Module]:
        layers: dict[str, nn.Module] = {}
        layers["Conv3d_1a_7x7"] = Unit(3, 64, (7, 7, 7), (2, 2, 2))
        layers["MaxPool3d_2a_3x3"] = Pool((1, 3, 3), (1, 2, 2))
        layers["Conv3d_2b_1x1"] = Unit(64, 64)
        layers["Conv3d_2c_3x3"] = Unit(64, 192, (3, 3, 3))
        layers["MaxPool3d_3a_3x3"] = Pool((1, 3, 3), (1, 2, 2))
        inputs = 192
        for place, widths in MIXED.items():
            if place == "4b":
                layers["MaxPool3d_4a_3x3"] = Pool((3, 3, 3), (2, 2, 2))
            elif place == "5b":
                layers["MaxPool3d_5a_2x2"] = Pool((2, 2, 2), (2, 2, 2))
            layers[f"Mixed_{place}"] = Mixed(inputs, widths)
            inputs = widths[0] + widths[2] + widths[4] + widths[5]
        layers["avg_pool"] = nn.AvgPool3d((2, 7, 7), 1)
        layers["logits"] = Logits()
        return layers

    def forward(self, clips: Tensor) -> Tensor:
        x = clips
        for layer in self.children():
            x = layer(x)
        return x.mean((2, 3, 4))
