"""LIA: Latent Image Animator (Wang et al., ICLR 2022): motion as steps along learned directions of a latent space.

Images are RGB in [-1, 1]. The paper makes the directions orthogonal by Gram-Schmidt. The released code takes the Q of
LAPACK's QR decomposition, in which some columns have the opposite sign; checkpoints need those signs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from baselines.blocks.grid import coordinate_grid, warp
from baselines.lia.layers import FLOOR, Activation, Doubling, Fir, ModulatedConv, ScaledConv, ScaledLinear, StyledConv

SMALLEST = 4  # side of the decoder's constant, and of the last features of the encoder
MAGNITUDE_LAYERS = 5
CHANNELS = 16384  # times the side of a feature, up to a limit


@dataclass(frozen=True)
class Encoded:
    """code: ``(N, D)``, of the reference pose. magnitudes: ``(N, M)``, from there to the image's own pose.

    features: of the image, from 8 x 8, coarse to fine.
    """

    code: Tensor
    magnitudes: Tensor
    features: tuple[Tensor, ...]


class Moved(NamedTuple):
    """One level of the decoder.

    warped: ``(N, C, s, s)``, the source's feature, warped and masked. blended: warped, with the decoder's own feature
    where it is masked. logits: ``(N, 3, s, s)``, of flow and mask, summed over the levels.
    """

    warped: Tensor
    blended: Tensor
    logits: Tensor


@dataclass(frozen=True)
class Generated:
    """frame: ``(N, 3, H, W)``, about [-1, 1] but not bounded. logits: of the last level, see `Moved`."""

    frame: Tensor
    logits: Tensor


class ResBlock(nn.Module):
    """Residual block, ``(N, C, H, W)`` to ``(N, C', H/2, W/2)``."""

    def __init__(self, given: int, made: int):
        super().__init__()
        self.conv1 = nn.Sequential(ScaledConv(given, given, 3, padding=1), Activation(given))
        self.conv2 = nn.Sequential(Fir((2, 2)), ScaledConv(given, made, 3, stride=2), Activation(made))
        self.skip = nn.Sequential(Fir((1, 1)), ScaledConv(given, made, 1, stride=2))

    def forward(self, x: Tensor) -> Tensor:
        return (self.conv2(self.conv1(x)) + self.skip(x)) / math.sqrt(2)


class AppearanceNetwork(nn.Module):
    """Map an image to its code ``(N, D)`` and its features, coarse to fine (Sec. 3.1)."""

    def __init__(self, channels: Mapping[int, int], code: int):
        super().__init__()
        sides = sorted(channels, reverse=True)
        blocks = [ResBlock(channels[side], channels[side // 2]) for side in sides[:-1]]
        first = nn.Sequential(ScaledConv(3, channels[sides[0]], 1), Activation(channels[sides[0]]))
        self.convs = nn.ModuleList([first, *blocks, ScaledConv(channels[SMALLEST], code, SMALLEST)])

    def forward(self, image: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        features = [image]
        for layer in self.convs:
            features.append(layer(features[-1]))
        return features[-1].flatten(1), tuple(reversed(features[1:-2]))


class Encoder(nn.Module):
    """Map an image to its code and to the magnitudes of its motion (Sec. 3.1).

    The magnitudes are computed from the code by linear layers without activations, as released.
    """

    def __init__(self, channels: Mapping[int, int], code: int, directions: int):
        super().__init__()
        self.net_app = AppearanceNetwork(channels, code)
        widths = [code] * MAGNITUDE_LAYERS + [directions]
        self.fc = nn.Sequential(*(ScaledLinear(a, b) for a, b in zip(widths, widths[1:])))

    def forward(self, image: Tensor) -> Encoded:
        code, features = self.net_app(image)
        return Encoded(code, self.fc(code), features)


class Directions(nn.Module):
    """The dictionary of motions: orthonormal directions in the space of codes (Sec. 3.1)."""

    def __init__(self, code: int, directions: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(code, directions))

    def basis(self) -> Tensor:
        """Return the directions ``(D, M)``, columns of length 1."""
        return torch.linalg.qr(self.weight + FLOOR).Q

    def forward(self, magnitudes: Tensor) -> Tensor:
        """Return the motion ``(N, D)`` for magnitudes ``(N, M)``."""
        return magnitudes @ self.basis().T


class Constant(nn.Module):
    """The decoder's constant input."""

    def __init__(self, channels: int):
        super().__init__()
        self.input = nn.Parameter(torch.randn(1, channels, SMALLEST, SMALLEST))


class FlowHead(nn.Module):
    """Warp one of the source's features by the flow of a code (Sec. 3.2).

    In the grid -1 and 1 are the centers of the border pixels, but sampling takes them as the borders. So zero flow is
    not the identity.
    """

    def __init__(self, given: int, code: int):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))
        self.upsample = Doubling()
        self.conv = ModulatedConv(given, 3, 1, code, demodulate=False)

    def forward(self, x: Tensor, code: Tensor, feature: Tensor, coarser: Tensor | None) -> Moved:
        """Return the level. x, feature: ``(N, C, s, s)``. coarser: logits of the previous level; None for the first."""
        logits = self.conv(x, code) + self.bias
        if coarser is not None:
            logits = logits + self.upsample(coarser)
        grid = coordinate_grid(x.shape[2], x.shape[3], like=logits)
        flow = grid + torch.tanh(logits[:, :2]).permute(0, 2, 3, 1)
        mask = torch.sigmoid(logits[:, 2:])
        warped = warp(feature, flow, align_corners=False) * mask
        return Moved(warped, warped + x * (1 - mask), logits)


class FlowHeads(nn.ModuleList):
    """The heads of all levels as one module, so that coordinates can stay in float32."""

    def forward(self, level: int, x: Tensor, code: Tensor, feature: Tensor, coarser: Tensor | None) -> Moved:
        """Call the head of a level, from 0, the coarsest, with the other arguments."""
        moved: Moved = self[level](x, code, feature, coarser)
        return moved


class ColorHead(nn.Module):
    """Add a feature's colors to the coarser frame ``(N, 3, s/2, s/2)``. double: whether there is one."""

    def __init__(self, given: int, double: bool = True):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))
        if double:
            self.upsample = Doubling()
        self.conv = nn.Sequential(ScaledConv(given, 3, 1), Activation(3))

    def forward(self, x: Tensor, coarser: Tensor | None) -> Tensor:
        colors = self.conv(x) + self.bias
        return colors if coarser is None else colors + self.upsample(coarser)


class Decoder(nn.Module):
    """Map a code and the source's features to the frame (Sec. 3.2)."""

    def __init__(self, channels: Mapping[int, int], code: int, directions: int):
        super().__init__()
        self.direction = Directions(code, directions)
        widths = [channels[side] for side in sorted(channels)]
        self.input = Constant(widths[0])
        self.conv1 = StyledConv(widths[0], widths[0], code)
        self.to_rgb1 = ColorHead(widths[0], double=False)  # in every checkpoint, but unused
        convs: list[nn.Module] = []
        for given, made in zip(widths, widths[1:]):
            convs += [StyledConv(given, made, code, double=True), StyledConv(made, made, code)]
        self.convs = nn.ModuleList(convs)
        self.to_rgbs = nn.ModuleList(ColorHead(made) for made in widths[1:])
        self.to_flows = FlowHeads(FlowHead(made, code) for made in widths[1:])

    def forward(self, code: Tensor, features: tuple[Tensor, ...]) -> Generated:
        x = self.conv1(self.input.input.expand(len(code), -1, -1, -1), code)
        frame = logits = None
        for level, feature in enumerate(features):
            x = self.convs[2 * level + 1](self.convs[2 * level](x, code), code)
            warped, x, logits = self.to_flows(level, x, code, feature, logits)
            frame = self.to_rgbs[level](warped, frame)
        assert frame is not None and logits is not None  # there is at least the 8 x 8 feature
        return Generated(frame, logits)


class Generator(nn.Module):
    """Encoder and decoder, named as in the released checkpoints."""

    def __init__(self, channels: Mapping[int, int], code: int, directions: int):
        super().__init__()
        self.enc = Encoder(channels, code, directions)
        self.dec = Decoder(channels, code, directions)


class LIA(nn.Module):
    """The whole network, named as in the official checkpoints.

    config: as the released code's arguments: ``size``, ``style_dim``, ``motion_dim``, ``channel_multiplier``; a reduced
        network adds ``max_channels``. Raises ValueError if the size is not 4 times a power of 2.
    """

    def __init__(self, config: Mapping[str, Any]):
        super().__init__()
        size, most = config["size"], config.get("max_channels", 512)
        levels = int(math.log2(size / SMALLEST)) if size > SMALLEST else 0
        sides = [SMALLEST * 2**level for level in range(levels + 1)]
        if sides[-1] != size or not levels:
            raise ValueError(f"the size is {size}, not 8, 16, 32 and so on")
        channels = {side: min(most, int(CHANNELS * config["channel_multiplier"]) // side) for side in sides}
        self.gen = Generator(channels, config["style_dim"], config["motion_dim"])

    def encode(self, image: Tensor) -> Encoded:
        """Encode an image ``(N, 3, H, W)``."""
        return self.gen.enc(image)

    def motion(self, image: Tensor) -> Tensor:
        """Return only the magnitudes ``(N, M)`` of an image."""
        return self.gen.enc(image).magnitudes

    def moved(self, source: Encoded, magnitudes: Tensor) -> Tensor:
        """Return the code ``(N, D)`` of the source with this motion (Sec. 3.1)."""
        return source.code + self.gen.dec.direction(magnitudes)

    def generate(self, source: Encoded, code: Tensor) -> Generated:
        """Return the source animated to `code`."""
        return self.gen.dec(code, source.features)
