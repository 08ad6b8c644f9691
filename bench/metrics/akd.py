"""Distances of facial landmarks, and how often there are none.

Landmarks are ``(N, K, 2)`` float64, x and y in pixels of a frame brought to a width of 256; NaN where not found.
"""

from __future__ import annotations

from torch import Tensor


def akd(prediction: Tensor, reference: Tensor) -> Tensor:
    """Average keypoint distance as the papers compute it: mean absolute difference *per coordinate*.

    Source: evaluation scripts of FOMM (NeurIPS 2019) and its successors; their text speaks of a distance.
    """
    return (prediction - reference).abs().mean((1, 2))


def akd_euclid(prediction: Tensor, reference: Tensor) -> Tensor:
    """What the name says: mean Euclidean distance of the keypoints."""
    return (prediction - reference).square().sum(2).sqrt().mean(1)


def mkr(prediction: Tensor, reference: Tensor) -> Tensor:
    """Missing keypoint rate: of the keypoints found in the reference, the share not found in the generated frame.

    For a face it is 0 or 1. NaN where the reference itself has none (introduced with FOMM, NeurIPS 2019, for bodies).
    """
    present, lost = reference.isfinite().all(2), ~prediction.isfinite().all(2)
    return (present & lost).sum(1).double() / present.sum(1)
