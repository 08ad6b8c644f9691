"""LPIPS (Zhang et al., CVPR 2018, version 0.1) by its authors' package, with the three inputs that papers use.

The linear heads are in the package. The ImageNet backbone is read from a local file and never downloaded.
"""

from __future__ import annotations

import warnings
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn

from bench.detectors import compat
from bench.detectors.perceptual import ALEX, VGG, Backbone
from bench.detectors.weights import load
from bench.metrics.base import in_blocks
from bench.metrics.winograd import use_winograd
from bench.runtime.errors import UserError
from protocols.errors import first_line


def lpips_alex(prediction: Tensor, reference: Tensor, weights_folder: Path | None = None) -> Tensor:
    """Return LPIPS on AlexNet of images in [0, 1], scaled to [-1, 1] as the package expects."""
    return _distance(ALEX, prediction, reference, weights_folder, scale=True)


def lpips_vgg(prediction: Tensor, reference: Tensor, weights_folder: Path | None = None) -> Tensor:
    """Return LPIPS on VGG16 of images in [0, 1], scaled to [-1, 1], as one of the papers' two scripts does."""
    return _distance(VGG, prediction, reference, weights_folder, scale=True)


def lpips_alex_unscaled(prediction: Tensor, reference: Tensor, weights_folder: Path | None = None) -> Tensor:
    """Return LPIPS on AlexNet of images in [0, 1], not scaled to [-1, 1], as the other of the two scripts does."""
    return _distance(ALEX, prediction, reference, weights_folder, scale=False)


def _distance(need: Backbone, prediction: Tensor, reference: Tensor, weights: Path | None, scale: bool) -> Tensor:
    model = _model(need, weights, str(prediction.device))
    return in_blocks(lambda x, y: model(x, y, normalize=scale).flatten(), prediction, reference)


@lru_cache(maxsize=4)
def _model(need: Backbone, weights: Path | None, device: str) -> nn.Module:
    reasons, file = need.missing(weights), need.file(weights)
    if reasons or file is None:
        raise UserError(
            f"{need.name}: {'; '.join(reasons)}; `python -m bench doctor` shows where to put it", code="missing-weights"
        )
    compat.repair()
    import lpips

    # `pnet_rand` keeps the package from downloading the backbone; the file's layers are loaded below.
    with warnings.catch_warnings():  # it calls torchvision in a deprecated way
        warnings.simplefilter("ignore")
        model = lpips.LPIPS(net=need.net, version="0.1", pnet_rand=True, verbose=False)
    state = load(file)
    try:
        for part in model.net.children():
            for index, layer in part.named_children():
                if isinstance(layer, nn.Conv2d):
                    names = ("weight", "bias")
                    layer.load_state_dict({name: state[f"features.{index}.{name}"] for name in names})
    except (KeyError, RuntimeError) as error:
        raise UserError(f"{file} has weights of another network: {first_line(error)}", code="other-network") from None
    model = model.eval().requires_grad_(False).to(device)
    if torch.device(device).type == "cpu":
        model.net.to(memory_format=torch.channels_last)
        for layer in model.net.modules():
            if isinstance(layer, nn.Conv2d):
                use_winograd(layer)
    return model
