"""Memories between encoder and decoder of MemFace's audio to expression (arXiv:2212.05005, Sec. 3.1 and 3.2)."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor, nn

Projections = Literal["reconstructed", "literal"]


class Memory(nn.Module, ABC):
    """Attention of a query over stored keys and values (Eqs. 1 and 2)."""

    @abstractmethod
    def kept(self) -> tuple[Tensor, Tensor]:
        """Return the projected keys and values, ``(M, D)`` each."""

    def __init__(self, width: int, dim: int, query: bool):
        """Create the projections. width: of the query, h. dim: of keys and values, D. query: whether there is a W_Q."""
        super().__init__()
        self.width = width
        self.query: nn.Module = nn.Linear(width, dim, bias=False) if query else nn.Identity()
        self.out = nn.Linear(dim, width, bias=False)

    def similarity(self, query: Tensor) -> Tensor:
        """Return Sim of Eq. 2: weights of the slots ``(..., T, M)`` for queries ``(..., T, h)``, with sum 1."""
        keys, _ = self.kept()
        return torch.softmax(self.query(query) @ keys.T / math.sqrt(self.width), dim=-1)

    def forward(self, query: Tensor) -> Tensor:
        """Return the retrieved vectors (Eq. 1) ``(..., T, h)`` for queries ``(..., T, h)``."""
        _, values = self.kept()
        return self.out(self.similarity(query) @ values)


class ImplicitMemory(Memory):
    """Learned keys and values, M of D numbers each, initialized with small normal noise.

    reconstructed: the form with the paper's numbers of parameters. W_K and W_V are merged into K and V, which is
    equivalent, because ``K W_K`` of a free K is a free matrix. W_Q exists only if D is not h.
    literal: all four matrices of Eqs. 1 and 2.
    """

    def __init__(self, slots: int = 1000, dim: int = 64, width: int = 64, projections: Projections = "reconstructed"):
        literal = projections == "literal"
        super().__init__(width, dim, query=literal or dim != width)
        self.keys = nn.Parameter(torch.randn(slots, dim))
        self.values = nn.Parameter(torch.randn(slots, dim))
        self.key: nn.Module = nn.Linear(dim, dim, bias=False) if literal else nn.Identity()
        self.value: nn.Module = nn.Linear(dim, dim, bias=False) if literal else nn.Identity()

    def kept(self) -> tuple[Tensor, Tensor]:
        return self.key(self.keys), self.value(self.values)

    @torch.no_grad()
    def forget(self, seed: int = 0) -> None:
        """Set keys and values to standard normal noise, as in the toy experiment of the supplement (C.3)."""
        rng = torch.Generator().manual_seed(seed)
        for stored in (self.keys, self.values):
            stored.copy_(torch.randn(stored.shape, generator=rng))


class PairMemory(Memory):
    """The explicit memory instead of the implicit one (Table 3): pairs of audio features and coefficients, from data.

    Keys ``(N, F)`` and values ``(N, h_c)`` are buffers; W_K and W_V project them to D numbers. The paper does not say
    which pairs it stores; `pairs` is this project's choice.
    """

    keys: Tensor
    values: Tensor

    def __init__(self, slots: int, features: int, coefficients: int, dim: int = 64, width: int = 64):
        super().__init__(width, dim, query=dim != width)
        self.register_buffer("keys", torch.zeros(slots, features))
        self.register_buffer("values", torch.zeros(slots, coefficients))
        self.key = nn.Linear(features, dim, bias=False)
        self.value = nn.Linear(coefficients, dim, bias=False)

    def kept(self) -> tuple[Tensor, Tensor]:
        return self.key(self.keys), self.value(self.values)

    def rebuild(self, features: Tensor, coefficients: Tensor) -> None:
        """Store pairs of these frames, ``(n, F)`` and ``(n, h_c)``: see `pairs`."""
        chosen = pairs(len(features), len(self.keys))
        self.keys, self.values = features[chosen].clone(), coefficients[chosen].clone()


def pairs(frames: int, slots: int) -> Tensor:
    """Return the numbers of the stored frames: all, or `slots` evenly spaced ones."""
    return torch.linspace(0, frames - 1, min(frames, slots)).round().long()
