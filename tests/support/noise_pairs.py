"""Pairs of noise: frames that show every pixel on which two forms of a network differ."""

from __future__ import annotations

import torch

from baselines.predictor import PairBatch

CPU = torch.device("cpu")


def batch(size: int, count: int, seed: int = 0) -> PairBatch:
    """Pairs of two sources and `count` driving frames."""
    noise = torch.Generator().manual_seed(seed)
    sources, driving = torch.rand(2, 3, size, size, generator=noise), torch.rand(count, 3, size, size, generator=noise)
    source = sources[torch.arange(count) % 2]
    return PairBatch(tuple(map(str, range(count))), source, driving, None, driving.flip(3), seeds=tuple(range(count)))
