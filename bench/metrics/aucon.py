"""Agreement of facial action units."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

THRESHOLD = 0.5


def aucon(prediction: Tensor, reference: Tensor) -> Tensor:
    """Share of action units that are active (`> THRESHOLD`) in both frames or in neither.

    Activations ``(N, K)`` in [0, 1]; NaN for a pair with any NaN. Source: marioNETte (AAAI 2020), AUCON.
    """
    agree = ((prediction > THRESHOLD) == (reference > THRESHOLD)).double().mean(1)
    valid = (prediction + reference).isfinite().all(1)
    return agree.where(valid, agree.new_tensor(float("nan")))


def aucon_of(units: Sequence[int]) -> Callable[[Tensor, Tensor], Tensor]:
    """`aucon` over some units only, by their positions in the detector's values."""

    def agreement(prediction: Tensor, reference: Tensor) -> Tensor:
        return aucon(prediction[:, units], reference[:, units])

    return agreement
