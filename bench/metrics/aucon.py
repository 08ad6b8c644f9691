"""Agreement of facial action units."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

THRESHOLD = 0.5


def aucon(prediction: Tensor, reference: Tensor) -> Tensor:
    """Return the share of action units that are active (`> THRESHOLD`) in both frames or in neither.

    Activations are ``(N, K)`` in [0, 1]; NaN for a pair with any NaN. Source: AUCON of marioNETte (AAAI 2020).
    """
    agree = ((prediction > THRESHOLD) == (reference > THRESHOLD)).double().mean(1)
    valid = (prediction + reference).isfinite().all(1)
    return agree.where(valid, agree.new_tensor(float("nan")))


def aucon_of(units: Sequence[int]) -> Callable[[Tensor, Tensor], Tensor]:
    """Return `aucon` over some units only, given by their positions in the detector's values."""

    def agreement(prediction: Tensor, reference: Tensor) -> Tensor:
        return aucon(prediction[:, units], reference[:, units])

    return agreement
