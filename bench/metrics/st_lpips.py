"""Shift-tolerant LPIPS (Ghildyal and Liu, ECCV 2022), AlexNet variant.

The network is written here; the weights are read from the files that the package ``stlpips-pytorch`` carries (the
package itself is never imported). It is not LPIPS, and its numbers are not to be compared with LPIPS'.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.detectors.weights import load, package_folder
from bench.errors import UserError
from bench.metrics.base import in_blocks

PACKAGE = "stlpips_pytorch"
FILE = "weights/vST0.0/alex_shift_tolerant.pth"


def st_lpips(prediction: Tensor, reference: Tensor) -> Tensor:
    """ST-LPIPS of images in [0, 1] of at least 32 x 32 pixels, scaled to [-1, 1] first; 0 for equal images."""
    weights = loaded(str(prediction.device))
    return in_blocks(lambda x, y: distance(weights, x, y), prediction, reference)


def features(weights: dict[str, Tensor], images: Tensor) -> list[Tensor]:
    """The five activations of the anti-aliased AlexNet for images ``(N, 3, H, W)`` in [0, 1].

    Its first convolution has stride 1 and is blurred before the ReLU; both max pools have stride 1 and are blurred
    after; every blur halves the resolution.
    """

    def conv(x: Tensor, name: str, padding: int) -> Tensor:
        return F.conv2d(x, weights[f"net.{name}.weight"], weights[f"net.{name}.bias"], padding=padding)

    x = (images * 2 - 1 - weights["scaling_layer.shift"]) / weights["scaling_layer.scale"]
    x1 = _first_layer(weights, x).relu_()
    x2 = conv(_blur(_max_pool(x1), weights["net.slice2.4.filt"]), "slice2.5", 2).relu_()
    x3 = conv(_blur(_max_pool(x2), weights["net.slice3.8.filt"]), "slice3.9", 1).relu_()
    x4 = conv(x3, "slice4.11", 1).relu_()
    x5 = conv(x4, "slice5.13", 1).relu_()
    return [x1, x2, x3, x4, x5]


def distance(
    weights: dict[str, Tensor],
    x: Tensor,
    y: Tensor,
    activations: Callable[[dict[str, Tensor], Tensor], list[Tensor]] = features,
) -> Tensor:
    """The network itself: ``(N,)`` of images ``(N, 3, H, W)`` in [0, 1]."""
    layers = zip(*(activations(weights, images) for images in (x, y)))
    heads = (weights[f"lin{layer}.model.1.weight"] for layer in range(5))
    parts = [F.conv2d((_unit(a) - _unit(b)).square(), head).mean((1, 2, 3)) for (a, b), head in zip(layers, heads)]
    return torch.stack(parts).sum(0)


def _first_layer(weights: dict[str, Tensor], x: Tensor) -> Tensor:
    """The first convolution and its blur, in a fifth of the time that the two take one after the other.

    Without a ReLU between them they are one 13 x 13 convolution of stride 2, except where the blur mirrors the
    border: the first row equals the second, and the last one is computed plainly from a strip; columns alike.
    """
    kernel, bias, blur = (weights[f"net.slice1.{name}"] for name in ("0.weight", "0.bias", "1.filt"))

    def plain(strip: Tensor) -> Tensor:
        return _blur(F.conv2d(strip, kernel, bias, padding=2), blur)

    both = F.conv2d(kernel.flatten(0, 1)[:, None], blur[:1], padding=2).view(*kernel.shape[:2], 13, 13)
    inner = F.conv2d(x, both, bias, stride=2, padding=2)
    high, wide = (16 - size % 2 for size in x.shape[-2:])  # a strip must be even where the image is
    right, bottom = plain(x[..., -wide:])[..., -1:], plain(x[..., -high:, :])[..., -1:, :]
    inner = F.pad(inner, (1, 0, 1, 0), mode="replicate")
    return torch.cat((torch.cat((inner, right[..., :-1, :]), -1), bottom), -2)


def _blur(x: Tensor, kernel: Tensor) -> Tensor:
    """Binomial 3 x 3 filter of stride 2, two pixels of mirrored border."""
    return F.conv2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), kernel, stride=2, groups=x.shape[1])


def _max_pool(x: Tensor) -> Tensor:
    """Maximum over 3 x 3 windows, stride 1; by shifted copies, many times faster than torch's own on a CPU."""
    for axis in (-2, -1):
        size = x.shape[axis] - 2
        x = torch.maximum(torch.maximum(x.narrow(axis, 0, size), x.narrow(axis, 1, size)), x.narrow(axis, 2, size))
    return x


def weights_file() -> Path:
    """The weight file inside the installed package. Raises UserError where the package is missing."""
    folder = package_folder(PACKAGE)
    file = folder / FILE if folder else None
    if file is None or not file.is_file():
        raise UserError("st-lpips needs the package stlpips-pytorch==0.0.2: pip install stlpips-pytorch==0.0.2")
    return file


def _unit(x: Tensor) -> Tensor:
    """Features divided by their length over the channels."""
    return x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10)


@lru_cache(maxsize=2)
def loaded(device: str) -> dict[str, Tensor]:
    """The weights by name, on a device."""
    return load(weights_file(), device)
