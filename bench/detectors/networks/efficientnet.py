"""EfficientNet-Lite0 (Tan and Le, ICML 2019, reduced for phones), implemented from the shapes of its weights.

Keys are those of efficientnet-pytorch. The weights, trained on ImageNet, come in a separate package.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

SIDE, WIDTH, CLASSES = 224, 320, 1000
STRIDED = (1, 3, 5, 11)  # blocks that halve the resolution
BLOCKS = 16
EPS = 1e-3


# Kernel and bias of each convolution with its batch norm folded in, by the name of the convolution.
Folded = Mapping[str, tuple[Tensor, Tensor]]


def folded(state: Mapping[str, Tensor]) -> Folded:
    """Fold every batch norm into its convolution, channels last; twice as fast on a CPU."""
    pairs = {"_conv_stem": "_bn0", "_conv_head": "_bn1"}
    for key in (f"_blocks.{number}" for number in range(BLOCKS)):
        pairs |= {f"{key}._expand_conv": f"{key}._bn0", f"{key}._depthwise_conv": f"{key}._bn1"}
        pairs |= {f"{key}._project_conv": f"{key}._bn2"}
    found = {}
    for conv, norm in pairs.items():
        if f"{conv}.weight" in state:  # the first block has no expansion
            mean, var, gain, bias = (state[f"{norm}.{n}"] for n in ("running_mean", "running_var", "weight", "bias"))
            scale = gain / (var + EPS).sqrt()
            kernel = state[f"{conv}.weight"] * scale[:, None, None, None]
            found[conv] = kernel.contiguous(memory_format=torch.channels_last), bias - mean * scale
    return found


def embed(convs: Folded, images: Tensor) -> Tensor:
    """Return means ``(N, 320)`` of the last block's maps of RGB images ``(N, 3, 224, 224)``, levels in [0, 255].

    They are the output of a convolution without activation, and so closer to the normal distribution of the Fréchet
    distance than the 1280 features after them; and fewer dimensions need fewer frames.
    """
    return maps(convs, images).mean((2, 3))


def classify(convs: Folded, state: Mapping[str, Tensor], images: Tensor) -> Tensor:
    """Return logits ``(N, 1000)`` of ImageNet's classes; images as for `embed`. state: must have the last layer."""
    x = F.relu6(_convolved(convs["_conv_head"], maps(convs, images)))
    return F.linear(x.mean((2, 3)), state["_fc.weight"], state["_fc.bias"])


def maps(convs: Folded, images: Tensor) -> Tensor:
    """Return features ``(N, 320, 7, 7)`` of images ``(N, 3, H, W)`` in 0 to 255."""
    images = images.contiguous(memory_format=torch.channels_last)
    x = F.relu6(_convolved(convs["_conv_stem"], (images - 127) / 128, 2))
    for number in range(BLOCKS):
        x = _block(convs, f"_blocks.{number}", x, 2 if number in STRIDED else 1)
    return x


def _block(convs: Folded, key: str, x: Tensor, stride: int) -> Tensor:
    """Apply expansion, depthwise convolution and projection; add the input if the shapes are equal."""
    made = x
    if f"{key}._expand_conv" in convs:
        made = F.relu6(_convolved(convs[f"{key}._expand_conv"], x))
    made = F.relu6(_convolved(convs[f"{key}._depthwise_conv"], made, stride, made.shape[1]))
    made = _convolved(convs[f"{key}._project_conv"], made)
    return made + x if made.shape == x.shape else made


def _convolved(conv: tuple[Tensor, Tensor], x: Tensor, stride: int = 1, groups: int = 1) -> Tensor:
    """Convolve with TensorFlow's padding: one more at the end if the number is odd."""
    kernel, bias = conv
    edges: list[int] = []
    for size, side in zip(reversed(x.shape[2:]), reversed(kernel.shape[2:])):
        total = max(side - (size % stride or stride), 0)
        edges += [total // 2, total - total // 2]
    return F.conv2d(F.pad(x, edges) if any(edges) else x, kernel, bias, stride=stride, groups=groups)
