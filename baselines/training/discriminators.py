"""Discriminators: of FOMM's family (DaGAN), of pix2pixHD (face-vid2vid), of StyleGAN2 (LIA)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from baselines.lia.layers import Activation, ScaledConv
from baselines.lia.network import ResBlock

SLOPE = 0.2


class Judgment(NamedTuple):
    """Output for frames ``(N, 3, H, W)`` at one scale.

    verdict: ``(N, 1, h, w)``, unbounded, one number per patch, larger for frames judged real. features: of each block,
    ``(N, C, h, w)``, fine to coarse.
    """

    verdict: Tensor
    features: list[Tensor]


class PatchDiscriminator(nn.Module):
    """A sequence of blocks, then a convolution to the verdict."""

    def __init__(self, blocks: Sequence[nn.Module], head: nn.Module):
        super().__init__()
        self.blocks, self.head = nn.ModuleList(blocks), head

    def forward(self, frames: Tensor) -> Judgment:
        features = []
        for block in self.blocks:
            frames = block(frames)
            features.append(frames)
        return Judgment(self.head(frames), features)


def family_discriminator() -> PatchDiscriminator:
    """Return the discriminator of FOMM's code (Siarohin et al. 2019, after Monkey-Net, CVPR 2019); DaGAN has it too.

    Four blocks of a 4x4 convolution without padding, instance norm (not in the first), leaky ReLU and 2x2 average
    pooling (not in the last), 32 to 256 channels; spectral norm on every convolution. Its input is the frame only, in
    [0, 1], without Monkey-Net's keypoint maps. The smallest side is 61; a side of 256 gives 26 x 26 patches.
    """
    widths, blocks = (3, 32, 64, 128, 256), []
    for number, (before, after) in enumerate(zip(widths, widths[1:])):
        layers: list[nn.Module] = [spectral_norm(nn.Conv2d(before, after, 4))]
        layers += [nn.InstanceNorm2d(after, affine=True)] if number else []
        layers += [nn.LeakyReLU(SLOPE)]
        layers += [nn.AvgPool2d(2)] if after != widths[-1] else []
        blocks.append(nn.Sequential(*layers))
    return PatchDiscriminator(blocks, spectral_norm(nn.Conv2d(widths[-1], 1, 1)))


def pix2pix_discriminator() -> PatchDiscriminator:
    """Return the patch discriminator of pix2pixHD (Wang et al., CVPR 2018) with SPADE's norms (Park et al., CVPR 2019).

    4x4 convolutions of 64, 128, 256 and 512 channels, each halving the sides but the last, padded by 2; leaky ReLU;
    spectral and instance norm in all but the first and the verdict's. Frames in [0, 1].
    """
    widths, blocks = (3, 64, 128, 256, 512), []
    for number, (before, after) in enumerate(zip(widths, widths[1:])):
        conv = nn.Conv2d(before, after, 4, stride=1 if after == widths[-1] else 2, padding=2)
        layers = [spectral_norm(conv), nn.InstanceNorm2d(after)] if number else [conv]
        blocks.append(nn.Sequential(*layers, nn.LeakyReLU(SLOPE)))
    return PatchDiscriminator(blocks, nn.Conv2d(widths[-1], 1, 4, padding=2))


class Enlarging(nn.Module):
    """Convert frames from [0, 1] to [-1, 1], and enlarge smaller ones to `side` bilinearly."""

    def __init__(self, side: int):
        super().__init__()
        self.side = side

    def forward(self, frames: Tensor) -> Tensor:
        if frames.shape[2] < self.side:
            frames = F.interpolate(frames, size=(self.side, self.side), mode="bilinear")
        return 2 * frames - 1


def residual_discriminator() -> PatchDiscriminator:
    """Return the discriminator of StyleGAN2 for frames of 256 pixels (Karras et al., CVPR 2020), one number per frame.

    Residual blocks from 64 to 512 channels, down to 4x4. Without StyleGAN2's standard deviation over the batch, so that
    a frame's verdict does not depend on other frames. Smaller frames are enlarged first.
    """
    widths = (64, 128, 256, 512, 512, 512, 512)
    first = nn.Sequential(Enlarging(256), ScaledConv(3, widths[0], 1), Activation(widths[0]))
    blocks = [ResBlock(before, after) for before, after in zip(widths, widths[1:])]
    last = widths[-1]
    head = [ScaledConv(last, last, 3, padding=1), Activation(last), ScaledConv(last, last, 4), Activation(last)]
    return PatchDiscriminator([first, *blocks], nn.Sequential(*head, ScaledConv(last, 1, 1)))


class MultiScale(nn.Module):
    """Discriminators with separate weights, each for frames of half the previous side (pix2pixHD)."""

    def __init__(self, discriminators: Sequence[PatchDiscriminator]):
        super().__init__()
        self.discriminators = nn.ModuleList(discriminators)

    def forward(self, frames: Tensor) -> list[Judgment]:
        judged = []
        for number, discriminator in enumerate(self.discriminators):
            if number:
                frames = F.avg_pool2d(frames, 3, stride=2, padding=1, count_include_pad=False)
            judged.append(discriminator(frames))
        return judged
