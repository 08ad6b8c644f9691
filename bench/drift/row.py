"""One model on one metric, in the reference and in the run, and what a check says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Verdict = Literal["same", "changed", "worse", "noise", "better", "missing", "new"]
FAILING = ("changed", "worse", "missing")
WORST = 5


@dataclass(frozen=True)
class Column:
    """What is compared: `reference` and `run`, ``(N,)`` float64, NaN where there is none, by `pairs`.

    reasons: why the run has none.
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
        """Pairs that had a value and have none."""
        return np.isnan(self.run) & ~np.isnan(self.reference)

    @property
    def mended(self) -> np.ndarray:
        """Pairs that had no value and have one."""
        return np.isnan(self.reference) & ~np.isnan(self.run)

    def row(self, verdict: Verdict, moves: np.ndarray, worsening: float, p: float | None = None) -> Row:
        """moves: ``(N,)`` how far each pair moved, by which the worst are chosen and those beyond tolerance counted."""
        order = [i for i in np.argsort(-moves, kind="stable") if moves[i] > 0][:WORST]
        return Row(
            self.model,
            self.metric,
            verdict,
            n=len(self.pairs),
            beyond=int((moves > self.tolerance).sum()),
            lost=int(self.lost.sum()),
            mended=int(self.mended.sum()),
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
    """A pair: its value in the reference and in the run, NaN where there is none; reason: why the run has none."""

    pair: str
    reference: float
    run: float
    reason: str | None


@dataclass(frozen=True)
class Row:
    """A model on a metric.

    n: compared pairs. beyond: those that moved by more than the tolerance. lost, mended: those that lost or got a
    value. reference, run: means of the finite values. worsening: in exact mode how far the pair moved that moved most,
    infinite where a value came or went; in statistical mode the mean's, positive is worse. p: Holm-corrected, for the
    direction that `worsening` has; None in exact mode. worst: the pairs that worsened (exact mode: moved) most.
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
    def ratio(self) -> float:
        """Worsening in tolerances; 0 where nothing was compared."""
        if not self.worsening:
            return 0.0
        return self.worsening / self.tolerance if self.tolerance else float(np.copysign(np.inf, self.worsening))


def _mean(values: np.ndarray) -> float | None:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else None
