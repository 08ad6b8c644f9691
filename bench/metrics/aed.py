"""Distances of identity embeddings ``(N, D)`` float64; NaN where there is none."""

from __future__ import annotations

from torch import Tensor


def aed(prediction: Tensor, reference: Tensor) -> Tensor:
    """Average Euclidean distance as the papers compute it: the *squared* L2 distance.

    Source: pose-evaluation's ``cmp_aed``, which the papers from FOMM on use. Beware: in papers on avatars the same
    three letters stand for an expression distance.
    """
    return (prediction - reference).square().sum(1)


def aed_l2(prediction: Tensor, reference: Tensor) -> Tensor:
    """What the name says: the L2 distance, with its square root."""
    return aed(prediction, reference).sqrt()
