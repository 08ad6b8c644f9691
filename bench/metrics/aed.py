"""Distances of identity embeddings ``(N, D)`` float64; NaN where no face was found."""

from __future__ import annotations

from torch import Tensor


def aed(prediction: Tensor, reference: Tensor) -> Tensor:
    """Return the average Euclidean distance as the papers compute it: the *squared* L2 distance.

    Source: ``cmp_aed`` of pose-evaluation, used in the papers from FOMM on. Beware: in avatar papers AED is an
    expression distance.
    """
    return (prediction - reference).square().sum(1)


def aed_euclid(prediction: Tensor, reference: Tensor) -> Tensor:
    """Return the L2 distance, with the square root that "Euclidean distance" implies."""
    return aed(prediction, reference).sqrt()


def csim(prediction: Tensor, reference: Tensor) -> Tensor:
    """Return the cosine similarity of the embeddings, in [-1, 1]; NaN where one has zero length.

    Source: CSIM of marioNETte (AAAI 2020), which uses ArcFace embeddings. For embeddings of length 1 it is 1 - aed / 2.
    """
    lengths = prediction.square().sum(1).sqrt() * reference.square().sum(1).sqrt()
    return (prediction * reference).sum(1) / lengths
