"""MCNet's memory unit: implicit scale conditioned memory (ISCM) and memory compensation (MCM).

Hong and Xu, "Implicit Identity Representation Conditioned Memory Compensation Network", ICCV 2023. Names of parameters
are those of the official checkpoint. Where the released code and the paper differ, this is the released code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

UNIT_PARAMETERS = (
    "mb_channel",
    "mb_spatial",
    "condition",
    "by_projection",
    "by_keypoints",
    "encoding",
    "split",
    "dynamic",
)


@dataclass(frozen=True)
class Compensation:
    """Output of the memory for one level of ``L x L`` features.

    feature: ``(N, C, L, L)``, the warped feature, its odd channels compensated.
    projected: ``(N, M, L, L)``, F_proj. value: ``(N, M, S, S)``, F_V, from the conditioned memory; Eq. 5 pulls it
    towards F_proj.
    """

    feature: Tensor
    projected: Tensor
    value: Tensor


def per_sample_conv(x: Tensor, weight: Tensor) -> Tensor:
    """Convolve each sample with its own kernel, zero padding, size kept.

    x: ``(N, I, H, W)``, or ``(1, I, H, W)`` for the same input to all; weight: ``(N, O, I, k, k)``.
    """
    n, out_features, in_features, k, _ = weight.shape
    grouped = x.expand(n, *x.shape[1:]).reshape(1, n * in_features, *x.shape[2:])
    out = F.conv2d(grouped, weight.flatten(0, 1), padding=k // 2, groups=n)
    return out.view(n, out_features, *x.shape[2:])


class ModulatedConv(nn.Module):
    """Convolution modulated and demodulated by a style (Eq. 2; Karras et al. 2020, Eqs. 1 and 3)."""

    def __init__(self, features: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, features, features, 3, 3))
        self.modulation = nn.Linear(features, features)
        self.modulation.weight.data = torch.randn(features, features)
        nn.init.ones_(self.modulation.bias)
        self.scale = 1 / math.sqrt(features * 9)
        self.modulation_scale = 1 / math.sqrt(features)

    def modulate(self, style: Tensor) -> Tensor:
        """Map a style ``(N, M)`` to one factor per input channel, ``(N, M)``."""
        return F.linear(style, self.modulation.weight * self.modulation_scale, self.modulation.bias)

    def demodulated_weight(self, factors: Tensor) -> Tensor:
        """Return kernels ``(N, M, M, 3, 3)`` of unit norm per output channel."""
        weight = self.scale * self.weight * factors[:, None, :, None, None]
        return weight * torch.rsqrt(weight.square().sum((2, 3, 4), keepdim=True) + 1e-8)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        return per_sample_conv(x, self.demodulated_weight(self.modulate(style)))


class ActivationBias(nn.Module):
    """Bias per channel, leaky ReLU of slope 0.2, times sqrt(2) (Karras et al. 2020)."""

    def __init__(self, features: int):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(features))

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x + self.bias[:, None, None], 0.2) * math.sqrt(2)


class StyleConv(nn.Module):
    """Modulated convolution, noise times a learned strength (`weight`), bias, activation."""

    def __init__(self, features: int):
        super().__init__()
        self.modulated_conv = ModulatedConv(features)
        self.weight = nn.Parameter(torch.zeros(1))
        self.activate = ActivationBias(features)

    def forward(self, x: Tensor, style: Tensor, noise: Tensor) -> Tensor:
        return self.activate(self.modulated_conv(x, style) + self.weight * noise)


class KernelAttention(nn.Module):
    """Weights ``(N, K)`` of the K kernels of a dynamic convolution (Chen et al. 2020, Eq. 3)."""

    TEMPERATURE = 34.0  # constant in the released code, though meant to decrease in training

    def __init__(self, features: int, kernels: int):
        super().__init__()
        self.fc1 = nn.Conv2d(features, features // kernels + 1, kernel_size=1, bias=False)
        self.fc2 = nn.Conv2d(features // kernels + 1, kernels, kernel_size=1)

    def forward(self, condition: Tensor) -> Tensor:
        scores = self.fc2(F.relu(self.fc1(F.adaptive_avg_pool2d(condition, 1))))
        return torch.softmax(scores.flatten(1).float() / self.TEMPERATURE, dim=1)


class DynamicConv(nn.Module):
    """3x3 convolution with a mixture of K kernels per sample; `condition` determines the mixture."""

    def __init__(self, in_features: int, out_features: int, kernels: int = 4):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(kernels, out_features, in_features, 3, 3))
        self.bias = nn.Parameter(torch.zeros(kernels, out_features))
        for kernel in self.weight.data:
            nn.init.kaiming_uniform_(kernel)
        self.attention = KernelAttention(in_features, kernels)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        mixture = self.attention(condition)
        weight = torch.einsum("nk,koihw->noihw", mixture, self.weight)
        return per_sample_conv(x, weight) + (mixture @ self.bias)[:, :, None, None]


class PlainConv(nn.Conv2d):
    """Replacement for `DynamicConv` in an ablation: one kernel for all; ignores the condition."""

    def __init__(self, in_features: int, out_features: int):
        super().__init__(in_features, out_features, kernel_size=3, padding=1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(x).expand(len(condition), -1, -1, -1)


class MemoryUnit(nn.Module):
    """One memory, shared by all levels; only projection, output convolution and norm are per level.

    levels: side and channels of each level's warped feature, coarse to fine: ``{32: 512, 64: 256, 128: 128}``.
    mb_channel, mb_spatial: channels M and side S of the memory. The others are for the papers' ablations.
    condition: condition the memory on the source (ISCM, IICM); by_projection, by_keypoints: with these inputs;
    encoding: L of the positional encoding of the keypoints; split: leave half of the channels unchanged (Eq. 4);
    dynamic: compute key and value by dynamic convolution.
    """

    score_scale = 0.25  # of `attend`, as released

    def __init__(
        self,
        levels: dict[int, int],
        num_kp: int,
        mb_channel: int = 512,
        mb_spatial: int = 32,
        condition: bool = True,
        by_projection: bool = True,
        by_keypoints: bool = True,
        encoding: int = 0,
        split: bool = True,
        dynamic: bool = True,
    ):
        super().__init__()
        self.by_projection, self.by_keypoints, self.encoding, self.split = by_projection, by_keypoints, encoding, split
        self.mb = nn.Parameter(torch.empty(1, mb_channel, mb_spatial, mb_spatial))
        nn.init.kaiming_uniform_(self.mb)
        for side, channels in levels.items():
            width = channels // 2 if split else channels
            self.add_module(f"feat_forward_proj_{side}", nn.Conv2d(width, mb_channel, kernel_size=1))
            self.add_module(f"conv_{side}", nn.Conv2d(mb_channel, width, kernel_size=3, padding=1))
            self.add_module(f"norm_{side}", nn.InstanceNorm2d(width, affine=True))
        style_width = max(mb_channel // 4, 1)
        known = by_projection * mb_channel + by_keypoints * 2 * num_kp * (1 + 2 * encoding)
        route = (nn.Linear(known, style_width), nn.ReLU(), nn.Linear(style_width, mb_channel)) if condition else ()
        self.style_route = nn.Sequential(*route)
        self.styleconv = StyleConv(mb_channel) if condition else None
        self.query_conv = nn.Conv2d(mb_channel, mb_channel, kernel_size=1)
        self.conv_kv = (DynamicConv if dynamic else PlainConv)(mb_channel, 2 * mb_channel)
        self.diff_conv = nn.Conv2d(mb_channel, mb_channel, kernel_size=1)

    def noise_shape(self, n: int) -> tuple[int, int, int, int]:
        """Return the shape of one level's noise for `n` pairs."""
        return n, 1, *self.mb.shape[2:]

    def forward(self, warped: Tensor, source_points: Tensor, noise: Tensor | None) -> Compensation:
        """Compensate a level's warped feature.

        warped: ``(N, C, L, L)``; source_points: ``(N, K, 2)`` in [-1, 1]; noise: of `noise_shape`, unused without a
        condition.
        """
        side = warped.shape[2]
        incomplete = warped[:, 1::2] if self.split else warped
        projected = getattr(self, f"feat_forward_proj_{side}")(incomplete)
        memory = self.mb
        if self.styleconv is not None:
            memory = self.styleconv(memory, self.style_code(projected, source_points), noise)
        key, value = F.relu_(self.conv_kv(memory, projected)).chunk(2, dim=1)
        query = F.relu_(self.query_conv(projected))
        difference = F.relu_(self.diff_conv(projected - attend(query, key, value)))
        out = getattr(self, f"conv_{side}")(projected + difference)
        out = F.relu_(getattr(self, f"norm_{side}")(out))
        if not self.split:
            return Compensation(out, projected, value)
        feature = warped.clone()
        feature[:, 1::2] = out
        return Compensation(feature, projected, value)

    def style_code(self, projected: Tensor, source_points: Tensor) -> Tensor:
        """Return the implicit identity and scale representation ``(N, M)`` (Eq. 1)."""
        known = [projected.mean((2, 3))] if self.by_projection else []
        if self.by_keypoints:
            known.append(positional_encoding(source_points, self.encoding).flatten(1))
        return self.style_route(torch.cat(known, dim=1))


def positional_encoding(points: Tensor, levels: int) -> Tensor:
    """Map ``(N, K, 2)`` to ``(N, K, 2 (1 + 2 levels))``: x, sin and cos of ``2^l x`` (Mildenhall et al. 2020, Eq. 4).

    With x itself and without the factor pi, as in the implementation that the paper names.
    """
    parts = [points]
    for level in range(levels):
        parts += [torch.sin(2**level * points), torch.cos(2**level * points)]
    return torch.cat(parts, dim=-1)


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Read the memory at every position of the query (Eq. 3), with scores divided by 4 as released.

    query: ``(N, M, L, L)``; key, value: ``(N, M, S, S)``; returns ``(N, M, L, L)``.
    """
    q, k, v = (x.flatten(2).transpose(1, 2) for x in (query, key, value))
    out = F.scaled_dot_product_attention(q, k, v, scale=0.25)
    return out.transpose(1, 2).reshape(query.shape)


def memory_noise(unit: nn.Module | None, levels: int, seeds: Sequence[int], like: Tensor) -> list[Tensor | None]:
    """Return the noise of every level with memory, one seed per sample; None for a memory without noise."""
    if not isinstance(unit, MemoryUnit) or unit.styleconv is None:
        return [None] * levels
    return [*draw_noise(unit.noise_shape(len(seeds)), levels, seeds, like)]


def draw_noise(shape: Sequence[int], levels: int, seeds: Sequence[int], like: Tensor) -> list[Tensor]:
    """Draw standard normal noise for every level, each sample from a CPU generator with its own seed."""
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    drawn = [torch.stack([torch.randn(*shape[1:], generator=g) for g in generators]) for _ in range(levels)]
    return [noise.to(like.device, like.dtype) for noise in drawn]


def rename_levels(unit: nn.Module | None, old: int, new: int) -> None:
    """Rename the memory unit's modules of each level, which are named by the sides of the features."""
    if unit is None or old == new:
        return
    modules = {name: unit._modules.pop(name) for name in list(unit._modules)}
    for name, module in modules.items():
        stem, _, level = name.rpartition("_")
        unit.add_module(f"{stem}_{int(level) * new // old}" if level.isdigit() else name, module)


def trained_side(state: Mapping[str, Tensor], halvings: int) -> int | None:
    """Return the frame side that a checkpoint's memory is for, from the names of its levels; None without a memory.

    state: of the network that has it as ``mbUnit``. halvings: number of halvings from the frame to the coarsest level.
    """
    begins = "mbUnit.feat_forward_proj_"
    sides = [key.removeprefix(begins).partition(".")[0] for key in state if key.startswith(begins)]
    return min((int(side) for side in sides if side.isdecimal()), default=0) << halvings or None
