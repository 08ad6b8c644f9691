"""Distances of body joints ``(N, 18, 2)`` float64, x and y in pixels of the frame; NaN for a joint not found."""

from __future__ import annotations

from torch import Tensor


def akd(prediction: Tensor, reference: Tensor) -> Tensor:
    """Return the mean absolute difference per coordinate over the joints found in both frames; NaN without any.

    Source: FOMM (NeurIPS 2019), Sec. 4, with OpenPose's joints. Missing joints count in the missing keypoint rate.
    """
    return (prediction - reference).abs().nanmean((1, 2))
