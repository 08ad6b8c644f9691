"""Distances of identity embeddings ``(N, D)`` float64; NaN where there is none."""

from __future__ import annotations

from torch import Tensor


def aed(prediction: Tensor, reference: Tensor) -> Tensor:
    """Average Euclidean distance as the papers compute it: the *squared* L2 distance.

    Source: pose-evaluation's ``cmp_aed``, which the papers from FOMM on use. Beware: in papers on avatars the same
    three letters stand for an expression distance.
    """
    return (prediction - reference).square().sum(1)


def aed_euclid(prediction: Tensor, reference: Tensor) -> Tensor:
    """What the name says: the L2 distance, with its square root."""
    return aed(prediction, reference).sqrt()


def csim(prediction: Tensor, reference: Tensor) -> Tensor:
    """Cosine similarity of the embeddings, in [-1, 1]; NaN where one has no length.

    Source: CSIM of marioNETte (AAAI 2020), which takes ArcFace's embeddings. For embeddings of length 1 it is
    1 - aed / 2.
    """
    lengths = prediction.square().sum(1).sqrt() * reference.square().sum(1).sqrt()
    return (prediction * reference).sum(1) / lengths
