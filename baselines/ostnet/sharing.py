"""What the encoders with a scale embedding have in common for all pairs of one source."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F

from baselines.blocks.generator import ImageGenerator
from baselines.cpu.channels_last import folded
from baselines.cpu.memoize import Remembered


def share_first_convolutions(generator: ImageGenerator) -> None:
    """Let `encode` compute the source's part of its two largest convolutions once for all the source's pairs.

    The scale code adds one number a channel to what the second convolution sees (Eq. 5), so its part of the result is
    the same at all pixels but for the border. The same up to rounding; the features begin with the second finest.
    """
    plain, block = generator.encode, generator.down_blocks[0]
    conv, norm = folded(block.conv, block.norm)
    convolved = generator.convolved = Remembered(lambda image: conv(generator.first(image)))

    def encode(image: Tensor, added: Sequence[Tensor] | None = None) -> list[Tensor]:
        if added is None or len(image) > 1:
            return plain(image, added)
        code = F.conv2d(added[0].expand(-1, -1, 3, 3), conv.weight, padding=1)
        features = [F.avg_pool2d(F.relu_(norm(add_inside_and_at_border(convolved(image), code))), 2)]
        for following, code in zip(generator.down_blocks[1:], added[1:]):
            features.append(following(features[-1] + code))
        return features

    generator.encode = encode


def add_inside_and_at_border(x: Tensor, values: Tensor) -> Tensor:
    """``x (1, C, H, W)`` plus what a 3 x 3 kernel makes of a constant: values ``(1, C, 3, 3)``, the middle inside."""
    height, width = x.shape[2:]
    rows, columns = ([0, *[1] * (size - 2), 2] for size in (height, width))
    out = x + values[..., 1:2, 1:2]
    for at, value in ((0, values[..., 0, :]), (-1, values[..., 2, :])):
        out[..., at, :] = x[..., at, :] + value[..., columns]
    for at, value in ((0, values[..., :, 0]), (-1, values[..., :, 2])):
        out[..., :, at] = x[..., :, at] + value[..., rows]
    return out
