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


def akd_norm(prediction: Tensor, reference: Tensor) -> Tensor:
    """`akd` over the inter-ocular distance of the reference, so that the face's size in the frame does not count."""
    return akd(prediction, reference) / interocular(reference)


def akd_euclid_norm(prediction: Tensor, reference: Tensor) -> Tensor:
    """`akd_euclid` over the inter-ocular distance: what face alignment calls the normalised mean error.

    Source: 300 Faces in-the-Wild Challenge (Sagonas et al., Image and Vision Computing 2016), with the eyes' centres
    (means of points 36 to 41 and 42 to 47, from 0) in place of their outer corners.
    """
    return akd_euclid(prediction, reference) / interocular(reference)


def interocular(landmarks: Tensor) -> Tensor:
    """Distance ``(N,)`` of the eyes' centres of 68 landmarks; NaN where they coincide or are not found."""
    right, left = landmarks[:, 36:42].mean(1), landmarks[:, 42:48].mean(1)
    distance = (left - right).square().sum(1).sqrt()
    return distance.where(distance > 0, distance.new_tensor(float("nan")))


def mkr(prediction: Tensor, reference: Tensor) -> Tensor:
    """Missing keypoint rate: of the keypoints found in the reference, the share not found in the generated frame.

    For a face it is 0 or 1. NaN where the reference itself has none (introduced with FOMM, NeurIPS 2019, for bodies).
    """
    present, lost = reference.isfinite().all(2), ~prediction.isfinite().all(2)
    return (present & lost).sum(1).double() / present.sum(1)
