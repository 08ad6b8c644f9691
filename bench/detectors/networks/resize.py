"""Front ends of the networks of FID and FVD; the resize method alone can change FID by half."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

FrontEnd = Callable[[Tensor, int], Tensor]


def torch_bilinear(images: Tensor, side: int) -> Tensor:
    """Resize levels ``(N, 3, H, W)`` in [0, 255] to a square as pytorch-fid: half-pixel centers, no antialiasing."""
    return F.interpolate(images, (side, side), mode="bilinear", align_corners=False)


def tf_legacy(images: Tensor, side: int) -> Tensor:
    """Resize as TensorFlow 1 and torch-fidelity do: bilinear, source position = target * in / out, no half pixel."""
    for axis in (2, 3):
        images = _legacy(images, side, axis)
    return images


def clean(images: Tensor, side: int) -> Tensor:
    """Resize as clean-fid does: Pillow's antialiased bicubic filter on float channels, clipped to [0, 255]."""
    size = (side, side)
    if images.shape[-2:] == size:
        return images
    return F.interpolate(images, size, mode="bicubic", align_corners=False, antialias=True).clamp(0, 255)


FRONT_ENDS: dict[str, FrontEnd] = {"tf-legacy": tf_legacy, "clean": clean, "torch": torch_bilinear}


def centered(levels: Tensor, front_end: str) -> Tensor:
    """Convert levels in [0, 255] to the network's range: [-1, 1] after "torch", else (x - 128) / 128."""
    return 2 * (levels / 255) - 1 if front_end == "torch" else (levels - 128) / 128


def fvd_front_end(clips: Tensor, side: int, truncated: bool = False) -> Tensor:
    """Convert RGB clips ``(3, T, H, W)`` in [0, 1] to ``(3, T, side, side)`` in [-1, 1].

    The shorter side becomes `side`, the other one is rounded up; bilinear, half-pixel centers, no antialiasing; center
    crop. truncated: to 8 bits first, as in common_metrics after VideoGPT, but not in StyleGAN-V; no effect on frames of
    8 bits.
    """
    if truncated:
        clips = (clips * 255).to(torch.uint8).float() / 255
    height, width = clips.shape[-2:]
    scale = side / min(height, width)
    size = (side, math.ceil(width * scale)) if height < width else (math.ceil(height * scale), side)
    frames = F.interpolate(clips.transpose(0, 1), size, mode="bilinear", align_corners=False)
    top, left = ((length - side) // 2 for length in size)
    return 2 * frames[..., top : top + side, left : left + side].transpose(0, 1) - 1


def _legacy(x: Tensor, side: int, axis: int) -> Tensor:
    length = x.shape[axis]
    if length == side:
        return x
    places = torch.arange(side, device=x.device, dtype=torch.float32) * (length / side)
    below = places.floor()
    share = (places - below).reshape([-1 if at == axis else 1 for at in range(4)])
    first = below.long().clamp(max=length - 1)
    one, other = x.index_select(axis, first), x.index_select(axis, (first + 1).clamp(max=length - 1))
    return one + (other - one) * share
