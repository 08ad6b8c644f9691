"""The neural renderer of MemFace: a U-Net with a memory of mouths between encoder and decoder (Sec. 3.3, Eq. 5).

From the paper: encoder and decoder of a U-Net (Ronneberger et al., MICCAI 2015), 256x256, keys and values of the
memory, Eqs. 1, 2 and 5. Choices of this project, since the text leaves them open:

- Two 3x3 convolutions per level with group norm and ReLU; strided convolutions go down, nearest neighbors up; `config`
  sets the widths.
- Input channels: the drawn face, the template with its lower face black, and the mask.
- The retrieved patch is added to the features of every level: W_V and W_O of Eq. 1 are convolutions over the patch,
  placed at the mouth in the frame (`baselines.memface.view`). The patch itself is also a feature of the finest level,
  so that the network need not memorize details.
- ``similarity: distance`` makes Eq. 2 agree with its text, "the closer ... the larger weight": the softmax of
  -|q - k|^2 / (2 t^2), that is, the inner product of Eq. 2 with W_Q = W_K = 1/t, minus |k|^2. t starts at the keys'
  own spacing and has a learned factor. ``inner`` is Eq. 2 as printed, with learned W_Q and W_K, h = 64.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.memface.view import Framing

HIDDEN = 64  # h of Eq. 2
_LAID = 4  # channels of a placed patch: colors, and its mask
_IMPLICIT_PATCH = 24  # side of the learned patches of the implicit memory
# This project's: the paper gives 256x256 and N. The small one sees the lower face, at about a frame's resolution.
PUBLISHED: dict[str, Any] = {
    "widths": [64, 128, 256, 512, 512],
    "view": {"side": 256, "width": None, "patch": 96, "patch_width": 9.0},
    "memory": "explicit",
    "slots": 300,
}
REDUCED: dict[str, Any] = {
    "widths": [8, 16, 32, 64, 64],
    "view": {"side": 128, "width": 16.0, "patch": 72, "patch_width": 9.0},
    "memory": "explicit",
    "slots": 300,
}
Kind = Literal["explicit", "implicit", "none"]


class ExplicitMemory(nn.Module):
    """Mouth shapes and patches of one person, without gradients; `fill` replaces them for another person."""

    keys: Tensor
    patches: Tensor
    spacing: Tensor

    def __init__(self, slots: int, vertices: int, patch: int, similarity: str):
        super().__init__()
        self.register_buffer("keys", torch.zeros(slots, vertices, 3))
        self.register_buffer("patches", torch.zeros(slots, 3, patch, patch, dtype=torch.uint8))
        self.register_buffer("spacing", torch.ones(()))
        self.similarity = similarity
        if similarity == "distance":
            self.factor = nn.Parameter(torch.zeros(()))  # logarithm
        elif similarity == "inner":
            self.query = nn.Linear(vertices * 3, HIDDEN, bias=False)
            self.key = nn.Linear(vertices * 3, HIDDEN, bias=False)
        else:
            raise ValueError(f"similarity is distance or inner, not {similarity}")

    def fill(self, keys: Tensor, patches: Tensor) -> None:
        """Replace the memory by keys ``(N, V, 3)`` in cm and their patches ``(N, 3, P, P)`` uint8."""
        if len(keys) != len(patches):
            raise ValueError(f"an explicit memory with {len(keys)} keys and {len(patches)} patches")
        self.keys, self.patches = keys.float(), patches
        if len(keys) > 1:
            gaps = torch.cdist(self.keys.flatten(1), self.keys.flatten(1)).fill_diagonal_(torch.inf)
            self.spacing = gaps.min(1).values.median().clamp_min(1e-3)

    def attend(self, query: Tensor, left_out: Tensor | None = None) -> Tensor:
        """Return slot weights ``(B, N)`` for mouths ``(B, V, 3)`` (Eq. 2). left_out: ``(B, N)``, slots to ignore."""
        wanted, stored = query.flatten(1), self.keys.flatten(1)
        if self.similarity == "distance":
            squared = (wanted[:, None] - stored[None]).square().sum(2)
            scores = -squared / (2 * (self.spacing * self.factor.exp()).square())
        else:
            middle = stored.mean(0)
            scores = self.query(wanted - middle) @ self.key(stored - middle).T / HIDDEN**0.5
        if left_out is not None:
            scores = scores.masked_fill(left_out, -torch.inf)
        return scores.softmax(1)

    def read(self, weights: Tensor) -> Tensor:
        """Return the patches ``(B, 3, P, P)`` in [0, 1] for weights ``(B, N)``: the sum of Eq. 1, not projected."""
        mixed = weights @ (self.patches.flatten(1).float() / 255)
        return mixed.view(-1, *self.patches.shape[1:])


class ImplicitMemory(nn.Module):
    """Learned keys and patches, with random initialization (Table 4, "w/ impl. mem.")."""

    def __init__(self, slots: int, vertices: int, patch: int):
        super().__init__()
        self.query = nn.Linear(vertices * 3, HIDDEN, bias=False)
        self.keys = nn.Parameter(torch.randn(slots, HIDDEN))
        self.patches = nn.Parameter(torch.randn(slots, 3, _IMPLICIT_PATCH, _IMPLICIT_PATCH) * 0.1)
        self.patch = patch

    def attend(self, query: Tensor, left_out: Tensor | None = None) -> Tensor:
        """Return slot weights, as `ExplicitMemory.attend`; ignores `left_out`, since no slot is a frame."""
        wanted = query - query.mean(1, keepdim=True)
        return (self.query(wanted.flatten(1)) @ self.keys.T / HIDDEN**0.5).softmax(1)

    def read(self, weights: Tensor) -> Tensor:
        """Return the weighted sum of patches ``(B, 3, P, P)``."""
        mixed = (weights @ self.patches.flatten(1)).view(-1, *self.patches.shape[1:])
        return F.interpolate(mixed, size=self.patch, mode="bilinear", align_corners=False)


class _Convolutions(nn.Sequential):
    def __init__(self, inputs: int, outputs: int, stride: int = 1):
        groups = max(1, outputs // 8)
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.GroupNorm(groups, outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.GroupNorm(groups, outputs),
            nn.ReLU(inplace=True),
        )


class Renderer(nn.Module):
    """Render a face with a given mouth into a template frame.

    config: ``widths``, channels of the levels, fine to coarse; ``view``, a `Framing`; ``memory``, a `Kind`; ``slots``;
    ``similarity`` of the explicit memory; ``vertices`` of a mouth; ``drawing`` channels.
    """

    def __init__(self, config: Mapping[str, Any]):
        super().__init__()
        self.config = dict(config)
        self.framing = Framing(**config["view"])
        widths, self.kind = tuple(config["widths"]), config["memory"]
        if self.framing.side % (1 << (len(widths) - 1)):
            raise ValueError(f"a side of {self.framing.side} cannot be halved {len(widths) - 1} times")
        inputs = config.get("drawing", 3) + 4
        self.encoder = _levels(inputs, widths)
        coarse_to_fine = widths[::-1]
        self.decoder = nn.ModuleList(
            _Convolutions(below + own, own) for below, own in zip(coarse_to_fine, coarse_to_fine[1:])
        )
        self.memory: ExplicitMemory | ImplicitMemory | None = None
        slots, vertices, patch = config["slots"], config.get("vertices", 69), self.framing.patch
        if self.kind == "explicit":
            self.memory = ExplicitMemory(slots, vertices, patch, config.get("similarity", "distance"))
        elif self.kind == "implicit":
            self.memory = ImplicitMemory(slots, vertices, patch)
        elif self.kind != "none":
            raise ValueError(f"memory is explicit, implicit or none, not {self.kind}")
        if self.memory is not None:
            self.values = _levels(_LAID, widths)
            self.output = nn.ModuleList(nn.Conv2d(width, width, 1, bias=False) for width in widths)
        self.head = _head(widths[0], self.memory is not None)

    def forward(
        self,
        drawn: Tensor,
        template: Tensor,
        masked: Tensor,
        mouth: Tensor,
        placement: Tensor,
        left_out: Tensor | None = None,
    ) -> Tensor:
        """Return frames ``(B, 3, S, S)`` of the window, in [0, 1]; values are not clamped in training.

        drawn: ``(B, C, S, S)`` in [0, 1]; template: ``(B, 3, S, S)`` in [0, 1]; masked: ``(B, 1, S, S)``, 1 where the
        template must be hidden, which becomes black; mouth: vertices ``(B, V, 3)`` in cm, the query; placement:
        ``(B, 2, 3)`` of `Framing.placement`; left_out: ``(B, N)``, slots to ignore.
        """
        hidden = template * (masked <= 0)
        features = _run(self.encoder, torch.cat([drawn, hidden, masked], 1))
        patch: tuple[Tensor, ...] = ()
        if self.memory is not None:
            patch = (laid(self.memory.read(self.memory.attend(mouth, left_out)), placement, drawn.shape[-1]),)
            retrieved = _run(self.values, patch[0])
            features = [own + merge(more) for own, merge, more in zip(features, self.output, retrieved)]
        x = features[-1]
        for level, skip in zip(self.decoder, features[-2::-1]):
            x = level(torch.cat([F.interpolate(x, scale_factor=2, mode="nearest"), skip], 1))
        answer: Tensor = self.head(torch.cat([x, *patch], 1))
        return answer if self.training else answer.clamp(0, 1)


def laid(patch: Tensor, placement: Tensor, side: int) -> Tensor:
    """Return patches ``(B, 3, P, P)`` at their place in the window, with a mask channel: ``(B, 4, side, side)``."""
    with_place = torch.cat([patch, torch.ones_like(patch[:, :1])], 1)
    grid = F.affine_grid(placement, [len(patch), 4, side, side], align_corners=False)
    return F.grid_sample(with_place, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _head(width: int, memory: bool) -> nn.Conv2d:
    """Return the convolution to colors; with a memory it initially outputs the retrieved patch, and gray elsewhere."""
    head = nn.Conv2d(width + _LAID * memory, 3, 3, padding=1)
    assert head.bias is not None
    with torch.no_grad():
        head.bias.fill_(0.5)
        head.weight[:, :width] *= 0.1
        if memory:
            head.weight[:, width:] = 0
            head.weight[range(3), range(width, width + 3), 1, 1] = 1
            head.weight[:, width + 3, 1, 1] = -0.5
    return head


def _levels(inputs: int, widths: tuple[int, ...]) -> nn.ModuleList:
    before = (inputs, *widths)
    return nn.ModuleList(
        _Convolutions(first, second, 1 if number == 0 else 2)
        for number, (first, second) in enumerate(zip(before, widths))
    )


def _run(levels: nn.ModuleList, x: Tensor) -> list[Tensor]:
    """Return the outputs of all levels."""
    outputs = []
    for level in levels:
        x = level(x)
        outputs.append(x)
    return outputs
