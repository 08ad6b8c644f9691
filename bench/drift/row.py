"""One model on one metric, in the reference and in the run, with the check's verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Verdict = Literal["same", "changed", "worse", "noise", "better", "missing", "new"]
FAILING = ("changed", "worse", "missing")
WORST = 5


@dataclass(frozen=True)
class Column:
    """Values to compare: `reference` and `run`, ``(N,)`` float64, NaN for no value, by `pairs`.

    reasons: why the run has no value.
    """

    model: str
    metric: str
    higher_is_better: bool
    tolerance: float
    pairs: tuple[str, ...]
    reference: np.ndarray
    run: np.ndarray
    reasons: tuple[str | None, ...]

    @property
    def lost(self) -> np.ndarray:
        """Return which pairs lost their value."""
        return np.isnan(self.run) & ~np.isnan(self.reference)

    @property
    def gained(self) -> np.ndarray:
        """Return which pairs gained a value."""
        return np.isnan(self.reference) & ~np.isnan(self.run)

    def row(self, verdict: Verdict, moves: np.ndarray, worsening: float, p: float | None = None) -> Row:
        """Return the row. moves: ``(N,)``, the change of each pair, which gives `worst` and `beyond`."""
        order = [i for i in np.argsort(-moves, kind="stable") if moves[i] > 0][:WORST]
        return Row(
            self.model,
            self.metric,
            verdict,
            n=len(self.pairs),
            beyond=int((moves > self.tolerance).sum()),
            lost=int(self.lost.sum()),
            gained=int(self.gained.sum()),
            reference=_mean(self.reference),
            run=_mean(self.run),
            worsening=worsening,
            tolerance=self.tolerance,
            p=p,
            worst=tuple(
                Moved(self.pairs[i], float(self.reference[i]), float(self.run[i]), self.reasons[i]) for i in order
            ),
        )


@dataclass(frozen=True)
class Moved:
    """A pair's value in the reference and in the run, NaN for none; reason: why the run has none."""

    pair: str
    reference: float
    run: float
    reason: str | None


@dataclass(frozen=True)
class Row:
    """A model on a metric.

    n: compared pairs. beyond: those that changed by more than the tolerance. lost, gained: those that lost or gained a
    value. reference, run: means of the finite values. worsening: in exact mode the largest change of a pair, infinite
    for a lost or gained value; in statistical mode the change of the mean, positive is worse. p: Holm-corrected, in the
    direction of `worsening`; None in exact mode. worst: the pairs that worsened (exact mode: changed) most.
    """

    model: str
    metric: str
    verdict: Verdict
    n: int = 0
    beyond: int = 0
    lost: int = 0
    gained: int = 0
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
    def ratio(self) -> float:
        """Return the worsening divided by the tolerance; 0 if nothing was compared."""
        if not self.worsening:
            return 0.0
        return self.worsening / self.tolerance if self.tolerance else float(np.copysign(np.inf, self.worsening))


def _mean(values: np.ndarray) -> float | None:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else None
