"""What a check says of one model on one metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Verdict = Literal["same", "changed", "worse", "noise", "better", "missing", "new"]
FAILING = ("changed", "worse", "missing")
WORST = 5


@dataclass(frozen=True)
class Moved:
    """A pair: its value in the reference and in the run, NaN where there is none; reason: why the run has none."""

    pair: str
    reference: float
    run: float
    reason: str | None


@dataclass(frozen=True)
class Row:
    """A model on a metric.

    n: compared pairs. beyond: those that moved by more than the tolerance. lost, mended: those that lost or got a
    value. reference, run: means of the finite values. worsening: exact mode: of the pair that moved most (its size);
    statistical mode: of the mean, positive is worse. p: Holm-corrected, of the direction that `worsening` has.
    worst: the pairs that worsened (exact mode: moved) most, at most `WORST`.
    """

    model: str
    metric: str
    verdict: Verdict
    n: int = 0
    beyond: int = 0
    lost: int = 0
    mended: int = 0
    reference: float | None = None
    run: float | None = None
    worsening: float | None = None
    tolerance: float | None = None
    p: float | None = None
    worst: tuple[Moved, ...] = ()

    @property
    def failed(self) -> bool:
        return self.verdict in FAILING

    @property
    def ratio(self) -> float | None:
        """Worsening in tolerances."""
        if self.worsening is None or self.tolerance is None:
            return None
        return 0.0 if self.worsening == 0 else self.worsening / self.tolerance if self.tolerance else np.inf
