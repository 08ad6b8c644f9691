"""Shift-tolerant LPIPS (Ghildyal and Liu, ECCV 2022), AlexNet variant.

The network is written here; the weights are read from the files of the package ``stlpips-pytorch``, which is never
imported. Its numbers are not comparable with those of LPIPS.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.detectors.perceptual import SHIFT_TOLERANT
from bench.detectors.weights import load
from bench.metrics.base import in_blocks
from bench.metrics.references import References
from bench.metrics.winograd import convolve, transformed
from bench.runtime.errors import UserError

_references = References()  # about 90 images of 256 x 256


def st_lpips(prediction: Tensor, reference: Tensor, weights_folder: Path | None = None) -> Tensor:
    """Return ST-LPIPS of images in [0, 1] of at least 32 x 32 pixels, scaled to [-1, 1] first; 0 for equal images.

    weights_folder: not used, since the weights come with a package.
    """
    weights = loaded(str(prediction.device))
    if prediction.device.type != "cpu":
        return in_blocks(lambda x, y: distance(weights, x, y), prediction, reference)

    def unit_features(image: Tensor) -> list[Tensor]:
        return [_unit(layer) for layer in features(weights, image)]

    return in_blocks(
        lambda x, y: _weighted(weights, features(weights, x), _references.features(y, unit_features)),
        prediction,
        reference,
    )


def features(weights: dict[str, Tensor], images: Tensor) -> list[Tensor]:
    """Return the five activations of the anti-aliased AlexNet for images ``(N, 3, H, W)`` in [0, 1].

    Its first convolution has stride 1 and is blurred before the ReLU; both max pools have stride 1 and are blurred
    after. Every blur halves the resolution.
    """

    def conv(x: Tensor, name: str, padding: int) -> Tensor:
        bias = weights[f"net.{name}.bias"]
        if len(x) == 1 and (tiles := weights.get(f"net.{name}.tiles")) is not None:
            return convolve(x, tiles, bias, relu=True)
        return F.conv2d(x, weights[f"net.{name}.weight"], bias, padding=padding).relu_()

    x = (images * 2 - 1 - weights["scaling_layer.shift"]) / weights["scaling_layer.scale"]
    x1 = _first_layer(weights, x)
    x2 = conv(_blur(_max_pool(x1)), "slice2.5", 2)
    x3 = conv(_blur(_max_pool(x2)), "slice3.9", 1)
    x4 = conv(x3, "slice4.11", 1)
    x5 = conv(x4, "slice5.13", 1)
    return [x1, x2, x3, x4, x5]


def distance(
    weights: dict[str, Tensor],
    x: Tensor,
    y: Tensor,
    activations: Callable[[dict[str, Tensor], Tensor], list[Tensor]] = features,
) -> Tensor:
    """Return the distances ``(N,)`` of images ``(N, 3, H, W)`` in [0, 1]."""
    return _weighted(weights, activations(weights, x), [_unit(layer) for layer in activations(weights, y)])


def _weighted(weights: dict[str, Tensor], ours: list[Tensor], reference: list[Tensor]) -> Tensor:
    """Return ``(N,)`` from the activations of both images, each divided by its length."""
    heads = (weights[f"lin{layer}.model.1.weight"] for layer in range(5))
    parts = [F.conv2d(_unit(a).sub_(b).square_(), head).mean((1, 2, 3)) for a, b, head in zip(ours, reference, heads)]
    return torch.stack(parts).sum(0)


def _first_layer(weights: dict[str, Tensor], x: Tensor) -> Tensor:
    """Return the first convolution, its blur and the ReLU, computed much faster than one after the other.

    Convolution and blur are merged into one 13 x 13 convolution of stride 2, except where the blur mirrors the border:
    the first row equals the second. With an odd number of rows the last one equals its neighbor; with an even number it
    is the mean of the last two rows before the blur. The same for columns.
    """
    bias = weights["net.slice1.0.bias"]

    def part(bottom: bool, right: bool) -> Tensor:
        strip = x[..., -10:, :] if bottom else x
        strip = F.pad(strip[..., -10:] if right else strip, (0 if right else 2, 2, 0 if bottom else 2, 2))
        return F.conv2d(strip, weights[f"first.{int(bottom)}.{int(right)}"], bias, stride=2)

    inside = part(False, False)
    count, channels, height, width = inside.shape
    order = torch.contiguous_format if inside.is_contiguous() else torch.channels_last
    found = torch.empty(count, channels, height + 2, width + 2, device=x.device, memory_format=order)
    places = slice(1, -1), slice(-1, None)
    for bottom in (False, True)[: 2 - x.shape[-2] % 2]:
        for right in (False, True)[: 2 - x.shape[-1] % 2]:
            made = part(bottom, right) if bottom or right else inside
            torch.clamp_min(made, 0, out=found[..., places[bottom], places[right]])
    if x.shape[-2] % 2:
        found[..., -1, :] = found[..., -2, :]
    if x.shape[-1] % 2:
        found[..., -1] = found[..., -2]
    found[..., 0, :] = found[..., 1, :]
    found[..., 0] = found[..., 1]
    return found


def _merged(kernel: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Merge a kernel ``(O, C, K, K)`` with the separable filter that follows it."""
    both = torch.outer(rows, columns)[None, None]
    merged = F.conv2d(kernel.flatten(0, 1)[:, None], both, padding=(len(rows) - 1, len(columns) - 1))
    return merged[:, 0].unflatten(0, kernel.shape[:2])


def _blur(x: Tensor) -> Tensor:
    """Apply a binomial 3 x 3 filter of stride 2 with mirrored borders; torch's own convolution can be slow here."""
    x = F.pad(x, (2, 2, 2, 2), mode="reflect")
    height, width = ((size - 1) // 2 * 2 for size in x.shape[-2:])
    x = (x[..., 0:height:2, :] + x[..., 2 : height + 1 : 2, :]).add_(x[..., 1:height:2, :], alpha=2)
    x = x[..., :-1] + x[..., 1:]
    return (x[..., 0:width:2] + x[..., 1:width:2]).div_(16)


def _max_pool(x: Tensor) -> Tensor:
    """Return the maximum over 3 x 3 windows, stride 1; shifted copies are many times faster than torch's on a CPU."""
    for axis in (-2, -1):
        size = x.shape[axis] - 2
        x = torch.maximum(torch.maximum(x.narrow(axis, 0, size), x.narrow(axis, 1, size)), x.narrow(axis, 2, size))
    return x


def weights_file() -> Path:
    """Find the weight file in the installed package. Raises UserError where the package is missing."""
    file = SHIFT_TOLERANT.file()
    if file is None:
        raise UserError(f"st-lpips: {'; '.join(SHIFT_TOLERANT.missing())}", code="missing-package")
    return file


def _unit(x: Tensor) -> Tensor:
    """Divide features by their length over the channels."""
    return x / (torch.linalg.vector_norm(x, dim=1, keepdim=True) + 1e-10)


@lru_cache(maxsize=2)
def loaded(device: str) -> dict[str, Tensor]:
    """Return the weights by name, on a device, with what is computed from them once."""
    weights = load(weights_file(), device)
    binomial, mean = (torch.tensor(taps, device=device) for taps in ([0.25, 0.5, 0.25], [0.5, 0.5]))
    for bottom, rows in enumerate((binomial, mean)):
        for right, columns in enumerate((binomial, mean)):
            weights[f"first.{bottom}.{right}"] = _merged(weights["net.slice1.0.weight"], rows, columns)
    if torch.device(device).type == "cpu":
        for name in [name for name in weights if name.startswith("first.")]:  # the other results follow this order
            weights[name] = weights[name].contiguous(memory_format=torch.channels_last)
        for name in ("slice2.5", "slice3.9", "slice4.11", "slice5.13"):
            weights[f"net.{name}.tiles"] = transformed(weights[f"net.{name}.weight"])
    return weights
