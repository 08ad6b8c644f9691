"""MCNet's memory as in the paper (Secs. 3.2 and 3.3), which differs from the released code."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.mcnet.memory import Compensation, DynamicConv, per_sample_conv


class PaperMemory(nn.Module):
    """The paper's form of `MemoryUnit`; comments mark the differences.

    levels: side and channels of each level's warped feature. mb_channel, mb_spatial: C_m and H_m = W_m.
    """

    score_scale = 1.0  # the scores are not divided (Eq. 3)

    def __init__(self, levels: dict[int, int], num_kp: int, mb_channel: int = 512, mb_spatial: int = 32):
        super().__init__()
        self.mb = nn.Parameter(torch.empty(1, mb_channel, mb_spatial, mb_spatial))
        nn.init.kaiming_uniform_(self.mb)
        for side, channels in levels.items():
            self.add_module(f"feat_forward_proj_{side}", nn.Conv2d(channels // 2, mb_channel, kernel_size=1))
            self.add_module(f"conv_{side}", nn.Conv2d(mb_channel, channels // 2, kernel_size=1))
        width = max(mb_channel // 4, 1)
        first, last = nn.Linear(mb_channel + 2 * num_kp, width), nn.Linear(width, mb_channel)
        self.style_route = nn.Sequential(first, nn.ReLU(), last)
        nn.init.ones_(last.bias)  # training starts with an unscaled kernel
        self.weight = nn.Parameter(torch.empty(mb_channel, mb_channel, 3, 3))
        nn.init.kaiming_uniform_(self.weight)
        self.query_conv = nn.Conv2d(mb_channel, mb_channel, kernel_size=1)
        self.conv_key = DynamicConv(mb_channel, mb_channel)
        self.conv_value = DynamicConv(mb_channel, mb_channel)

    def forward(self, warped: Tensor, source_points: Tensor) -> Compensation:
        """Compensate a level. warped: ``(N, C, L, L)``; source_points: ``(N, K, 2)`` in [-1, 1]."""
        side = warped.shape[2]
        untouched, incomplete = warped.chunk(2, dim=1)  # the first half is unchanged, not the even channels
        projected = getattr(self, f"feat_forward_proj_{side}")(incomplete)
        memory = self.condition(projected, source_points)
        key, value = self.conv_key(memory, projected), self.conv_value(memory, projected)  # no ReLU, two convolutions
        query = F.relu(self.query_conv(projected))
        q, k, v = (x.flatten(2).transpose(1, 2) for x in (query, key, value))
        read = F.scaled_dot_product_attention(q, k, v, scale=self.score_scale)
        out = getattr(self, f"conv_{side}")(read.transpose(1, 2).reshape(query.shape))
        return Compensation(torch.cat([out, untouched], dim=1), projected, value)

    def condition(self, projected: Tensor, source_points: Tensor) -> Tensor:
        """Return M_s ``(N, M, S, S)``: only a modulated convolution of the memory (Eqs. 1 and 2).

        The style scales the kernel itself. The printed demodulation multiplies by the root, so that kernels would grow
        without bound; this code divides, as in StyleGAN2, which the paper names as its source.
        """
        style = self.style_route(torch.cat([projected.mean((2, 3)), source_points.flatten(1)], dim=1))
        weight = self.weight * style[:, None, :, None, None]
        weight = weight * torch.rsqrt(weight.square().sum((2, 3, 4), keepdim=True) + 1e-8)
        return per_sample_conv(self.mb, weight)
