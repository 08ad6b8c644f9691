"""Losses of MemFace's audio to expression (arXiv:2212.05005, Eq. 4)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

COEFFICIENTS, VERTICES, REGULARIZER = 1.0, 1.0, 0.1  # weights, Sec. 4.1


def coefficient_loss(predicted: Tensor, truth: Tensor) -> Tensor:
    """Return L_cof: Euclidean distance of coefficients ``(..., T, h_c)``, mean over frames."""
    return (predicted - truth).norm(dim=-1).mean()


def vertex_loss(predicted: Tensor, truth: Tensor) -> Tensor:
    """Return L_vtx: Euclidean distance of all mouth vertices together ``(..., T, h_v, 3)``, mean over frames, in cm."""
    return (predicted - truth).flatten(-2).norm(dim=-1).mean()


def corr(rows: Tensor) -> Tensor:
    """Return the sum of the cosines of all ordered pairs of different rows of ``(M, D)``.

    For unit rows that is the squared length of their sum minus M, which is linear in M.
    """
    return F.normalize(rows, dim=1).sum(0).square().sum() - len(rows)


def memory_loss(keys: Tensor, values: Tensor) -> Tensor:
    """Return L_reg, in [-2 / (M - 1), 2]: mean cosine of different keys, plus that of values; each ``(M, D)``."""
    return (corr(keys) + corr(values)) / (len(keys) * (len(keys) - 1))
