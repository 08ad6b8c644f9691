"""Agreement of facial action units."""

from __future__ import annotations

from torch import Tensor

THRESHOLD = 0.5


def aucon(prediction: Tensor, reference: Tensor) -> Tensor:
    """Share of action units that are active (`> THRESHOLD`) in both frames or in neither.

    Activations ``(N, K)`` in [0, 1]; NaN for a pair with any NaN. Source: marioNETte (AAAI 2020), AUCON.
    """
    agree = ((prediction > THRESHOLD) == (reference > THRESHOLD)).double().mean(1)
    valid = (prediction + reference).isfinite().all(1)
    return agree.where(valid, agree.new_tensor(float("nan")))
