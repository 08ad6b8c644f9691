"""Error of the head pose."""

from __future__ import annotations

from torch import Tensor


def prmse(prediction: Tensor, reference: Tensor) -> Tensor:
    """Root of the mean squared difference of pitch, yaw and roll ``(N, 3)``, in degrees.

    Per pair; the papers take the mean of these roots. Source: marioNETte (AAAI 2020), PRMSE.
    """
    return (prediction - reference).square().mean(1).sqrt()
