"""Error of the head pose."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor

ANGLES = ("pitch", "yaw", "roll")


def prmse(prediction: Tensor, reference: Tensor) -> Tensor:
    """Return the root of the mean squared difference of pitch, yaw and roll ``(N, 3)``, in degrees.

    Per pair; the papers average these roots. Source: PRMSE of marioNETte (AAAI 2020).
    """
    return (prediction - reference).square().mean(1).sqrt()


def prmse_rad(prediction: Tensor, reference: Tensor) -> Tensor:
    """Return `prmse` in radians, the unit of angles in newer releases of py-feat. Inputs are in degrees."""
    return prmse(prediction, reference) * (math.pi / 180)


def prmse_of(angle: str) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the absolute difference of one of `ANGLES`, in degrees."""
    position = ANGLES.index(angle)

    def error(prediction: Tensor, reference: Tensor) -> Tensor:
        return (prediction[:, position] - reference[:, position]).abs()

    return error
