"""Decoder blocks modulated by a map (SPADE: Park et al., CVPR 2019), for variants of DaGAN and face-vid2vid."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SpectralConv(nn.Module):
    """Convolution, size kept, with its kernel divided by ``u . W v`` (Miyato et al. 2018).

    Parameter names are those of torch's hook-based spectral norm, with which the checkpoints were saved. Evaluation
    uses the stored u and v; in training each forward pass first takes one step of power iteration.
    """

    bias: Tensor | None
    weight_u: Tensor
    weight_v: Tensor

    def __init__(self, in_features: int, out_features: int, kernel_size: int, bias: bool = True):
        super().__init__()
        plain = nn.Conv2d(in_features, out_features, kernel_size, bias=bias)
        self.weight_orig = nn.Parameter(plain.weight.detach())
        self.bias = plain.bias
        self.register_buffer("weight_u", _direction(out_features))
        self.register_buffer("weight_v", _direction(in_features * kernel_size**2))

    def sigma(self) -> Tensor:
        """Return the largest singular value of the kernel, estimated with u and v as its singular vectors."""
        return self.weight_u @ (self.weight_orig.flatten(1) @ self.weight_v)

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            with torch.no_grad():
                matrix = self.weight_orig.flatten(1)
                self.weight_v = F.normalize(self.weight_u @ matrix, dim=0)
                self.weight_u = F.normalize(matrix @ self.weight_v, dim=0)
        return F.conv2d(x, self.weight_orig / self.sigma(), self.bias, padding=self.weight_orig.shape[-1] // 2)


def _direction(size: int) -> Tensor:
    """Draw a vector of length 1; not normalized on the device "meta", where a norm would load torch's compiler."""
    vector = torch.randn(size)
    return vector if vector.is_meta else F.normalize(vector, dim=0)


class Spade(nn.Module):
    """Instance norm with gain and bias maps computed from `label` ``(N, L, H, W)`` (Park et al. Eq. 1)."""

    def __init__(self, features: int, label_features: int, hidden: int):
        super().__init__()
        self.mlp_shared = nn.Sequential(nn.Conv2d(label_features, hidden, 3, padding=1), nn.ReLU())
        self.mlp_gamma = nn.Conv2d(hidden, features, 3, padding=1)
        self.mlp_beta = nn.Conv2d(hidden, features, 3, padding=1)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        hidden = self.mlp_shared(F.interpolate(label, size=x.shape[2:], mode="nearest"))
        return F.instance_norm(x) * (1 + self.mlp_gamma(hidden)) + self.mlp_beta(hidden)


class SpadeBlock(nn.Module):
    """Residual block of two modulated, activated convolutions: ``(N, in, H, W)`` to ``(N, out, H, W)``."""

    def __init__(self, in_features: int, out_features: int, label_features: int, hidden: int = 128):
        super().__init__()
        middle = min(in_features, out_features)
        self.conv_0 = SpectralConv(in_features, middle, 3)
        self.conv_1 = SpectralConv(middle, out_features, 3)
        self.norm_0 = Spade(in_features, label_features, hidden)
        self.norm_1 = Spade(middle, label_features, hidden)
        self.has_shortcut = in_features != out_features
        if self.has_shortcut:
            self.conv_s = SpectralConv(in_features, out_features, 1, bias=False)
            self.norm_s = Spade(in_features, label_features, hidden)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        out = self.conv_0(F.leaky_relu(self.norm_0(x, label), 0.2))
        out = self.conv_1(F.leaky_relu(self.norm_1(out, label), 0.2))
        return out + (self.conv_s(self.norm_s(x, label)) if self.has_shortcut else x)


class SpadeDecoder(nn.Module):
    """Map a feature ``(N, in, h, w)`` to a frame ``(N, 3, 4h, 4w)`` in (0, 1); all blocks are modulated by `label`.

    middle: number of residual blocks at the feature's own size. width: their channels, 512 as published; the layers
    that read the label have a quarter of it. upscale: factor of a pixel shuffle after the last convolution
    (LivePortrait); None: no pixel shuffle.
    """

    def __init__(
        self,
        in_features: int,
        label_features: int,
        middle: int,
        out_features: int = 64,
        width: int = 512,
        upscale: int | None = None,
    ):
        super().__init__()
        self.fc = nn.Conv2d(in_features, width, 3, padding=1)
        self.middle = middle
        for i in range(middle):
            self.add_module(f"G_middle_{i}", SpadeBlock(width, width, label_features, width // 4))
        self.up_0 = SpadeBlock(width, width // 2, label_features, width // 4)
        self.up_1 = SpadeBlock(width // 2, out_features, label_features, width // 4)
        last = nn.Conv2d(out_features, 3 * (upscale or 1) ** 2, 3, padding=1)
        self.conv_img = last if upscale is None else nn.Sequential(last, nn.PixelShuffle(upscale))

    def forward(self, feature: Tensor, label: Tensor) -> Tensor:
        x = self.fc(feature)
        for i in range(self.middle):
            x = getattr(self, f"G_middle_{i}")(x, label)
        x = self.up_0(F.interpolate(x, scale_factor=2), label)
        x = self.up_1(F.interpolate(x, scale_factor=2), label)
        return torch.sigmoid(self.conv_img(F.leaky_relu(x, 0.2)))


def has_spade(network: nn.Module) -> bool:
    """Return whether a network has a SPADE decoder; its instance normalization amplifies rounding."""
    return any(isinstance(module, SpadeDecoder) for module in network.modules())
