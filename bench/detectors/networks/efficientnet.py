"""EfficientNet-Lite0 (Tan and Le, ICML 2019, as reduced for phones): written here from its weights' shapes.

Keys are those of efficientnet-pytorch. The weights, trained on ImageNet, come in a package of their own.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor
from torch.nn import functional as F

SIDE, WIDTH, CLASSES = 224, 320, 1000
STRIDED = (1, 3, 5, 11)  # blocks that halve the resolution
BLOCKS = 16
EPS = 1e-3


def embed(state: Mapping[str, Tensor], images: Tensor) -> Tensor:
    """Means ``(N, 320)`` of the last block's maps of RGB images ``(N, 3, 224, 224)``, levels in [0, 255].

    They come out of a convolution without an activation, so they look more like a normal distribution, to which the
    Fréchet distance reduces them, than the 1280 behind it; and fewer dimensions need fewer frames.
    """
    return maps(state, images).mean((2, 3))


def classify(state: Mapping[str, Tensor], images: Tensor) -> Tensor:
    """Logits ``(N, 1000)`` of ImageNet's classes; images as for `embed`."""
    x = F.relu6(_normalized(state, "_bn1", F.conv2d(maps(state, images), state["_conv_head.weight"])))
    return F.linear(x.mean((2, 3)), state["_fc.weight"], state["_fc.bias"])


def maps(state: Mapping[str, Tensor], images: Tensor) -> Tensor:
    """``(N, 320, 7, 7)``."""
    x = _convolved(state["_conv_stem.weight"], (images - 127) / 128, 2)
    x = F.relu6(_normalized(state, "_bn0", x))
    for number in range(BLOCKS):
        x = _block(state, f"_blocks.{number}", x, 2 if number in STRIDED else 1)
    return x


def _block(state: Mapping[str, Tensor], key: str, x: Tensor, stride: int) -> Tensor:
    """Widened, convolved channel by channel, narrowed; added to its input where the shape allows."""
    made = x
    if f"{key}._expand_conv.weight" in state:
        made = F.conv2d(x, state[f"{key}._expand_conv.weight"])
        made = F.relu6(_normalized(state, f"{key}._bn0", made))
    made = _convolved(state[f"{key}._depthwise_conv.weight"], made, stride, made.shape[1])
    made = F.relu6(_normalized(state, f"{key}._bn1", made))
    made = _normalized(state, f"{key}._bn2", F.conv2d(made, state[f"{key}._project_conv.weight"]))
    return made + x if made.shape == x.shape else made


def _convolved(weight: Tensor, x: Tensor, stride: int, groups: int = 1) -> Tensor:
    """Padded as TensorFlow does: one more at the end where the number is odd."""
    edges = []
    for size, side in zip(reversed(x.shape[2:]), reversed(weight.shape[2:])):
        total = max(side - (size % stride or stride), 0)
        edges += [total // 2, total - total // 2]
    return F.conv2d(F.pad(x, edges), weight, stride=stride, groups=groups)


def _normalized(state: Mapping[str, Tensor], key: str, x: Tensor) -> Tensor:
    mean, var, gain, bias = (state[f"{key}.{name}"] for name in ("running_mean", "running_var", "weight", "bias"))
    return F.batch_norm(x, mean, var, gain, bias, eps=EPS)
