"""Distances of facial landmarks, and the rate of missing ones.

Landmarks are ``(N, K, 2)`` float64, x and y in pixels of a frame resized to a width of 256; NaN where not found.
"""

from __future__ import annotations

from torch import Tensor


def akd(prediction: Tensor, reference: Tensor) -> Tensor:
    """Return the average keypoint distance as the papers compute it: mean absolute difference *per coordinate*.

    Source: evaluation scripts of FOMM (NeurIPS 2019) and its successors; the papers' text calls it a distance.
    """
    return (prediction - reference).abs().mean((1, 2))


def akd_euclid(prediction: Tensor, reference: Tensor) -> Tensor:
    """Return the mean Euclidean distance of the keypoints, as the metric's name says."""
    return (prediction - reference).square().sum(2).sqrt().mean(1)


def akd_norm(prediction: Tensor, reference: Tensor) -> Tensor:
    """Return `akd` divided by the reference's inter-ocular distance, so that the size of the face does not matter."""
    return akd(prediction, reference) / interocular(reference)


def akd_euclid_norm(prediction: Tensor, reference: Tensor) -> Tensor:
    """Return `akd_euclid` divided by the inter-ocular distance: the normalized mean error of face alignment.

    Source: 300 Faces in-the-Wild Challenge (Sagonas et al., Image and Vision Computing 2016), with the eyes' centers
    (means of points 36 to 41 and 42 to 47, counted from 0) instead of their outer corners.
    """
    return akd_euclid(prediction, reference) / interocular(reference)


def interocular(landmarks: Tensor) -> Tensor:
    """Return the distance ``(N,)`` of the eye centers of 68 landmarks; NaN where they coincide or are not found."""
    right, left = landmarks[:, 36:42].mean(1), landmarks[:, 42:48].mean(1)
    distance = (left - right).square().sum(1).sqrt()
    return distance.where(distance > 0, distance.new_tensor(float("nan")))


def mkr(prediction: Tensor, reference: Tensor) -> Tensor:
    """Return the missing keypoint rate: the share of the reference's keypoints not found in the generated frame.

    For a face it is 0 or 1. NaN where the reference itself has none. Introduced with FOMM (NeurIPS 2019) for bodies.
    """
    present, lost = reference.isfinite().all(2), ~prediction.isfinite().all(2)
    return (present & lost).sum(1).double() / present.sum(1)
