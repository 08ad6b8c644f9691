"""Distances of body joints ``(N, 18, 2)`` float64, x and y in pixels of the frame; NaN for a joint not found."""

from __future__ import annotations

from torch import Tensor


def akd(prediction: Tensor, reference: Tensor) -> Tensor:
    """Mean absolute difference per coordinate over the joints found in both frames; NaN without any.

    Source: FOMM (NeurIPS 2019), Sec. 4, whose joints come from OpenPose; missing ones are the missing keypoint rate's.
    """
    return (prediction - reference).abs().nanmean((1, 2))
