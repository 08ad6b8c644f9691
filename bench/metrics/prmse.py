"""Error of the head pose."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor

ANGLES = ("pitch", "yaw", "roll")


def prmse(prediction: Tensor, reference: Tensor) -> Tensor:
    """Root of the mean squared difference of pitch, yaw and roll ``(N, 3)``, in degrees.

    Per pair; the papers take the mean of these roots. Source: marioNETte (AAAI 2020), PRMSE.
    """
    return (prediction - reference).square().mean(1).sqrt()


def prmse_rad(prediction: Tensor, reference: Tensor) -> Tensor:
    """`prmse` in radians, the unit in which py-feat's newer releases give angles; inputs in degrees all the same."""
    return prmse(prediction, reference) * (math.pi / 180)


def prmse_of(angle: str) -> Callable[[Tensor, Tensor], Tensor]:
    """One of `ANGLES` alone: the root of one square is the absolute difference, in degrees."""
    position = ANGLES.index(angle)

    def error(prediction: Tensor, reference: Tensor) -> Tensor:
        return (prediction[:, position] - reference[:, position]).abs()

    return error
