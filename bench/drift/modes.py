"""The two modes of the drift check; `bench.drift.check` defines them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from bench.drift.row import Column, Row, Verdict
from bench.stats.resampling import Hierarchy, holm, resamples, weighted_means

ALPHA = 0.05
FAILED_SHARE = 0.02  # tolerance of the share of pairs without a value
RESAMPLES = 10_000
SEED = 0


def exact(columns: Sequence[Column]) -> list[Row]:
    """Judge pair by pair: changed if one pair changed by more than the tolerance, in either direction."""
    rows = []
    for column in columns:
        a, b = column.reference, column.run
        with np.errstate(invalid="ignore"):
            moves = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(b - a))
        moves = np.where(column.lost | column.gained, np.inf, moves)
        beyond = moves > column.tolerance
        rows.append(column.row("changed" if beyond.any() else "same", np.where(beyond, moves, 0.0), float(moves.max())))
    return rows


def statistical(columns: Sequence[Column], pairs: pd.DataFrame) -> list[Row]:
    """Judge means: worse or better if the mean changed by more than tolerance and noise; worse if values were lost.

    pairs: the facts of the columns' pairs, in their order: both identities, and ``source`` and ``driving`` frames.
    """
    worsenings = [_worsening(column, _range(columns, column.metric)) for column in columns]
    losses = [column.lost.astype(float) - column.gained for column in columns]
    chances = _chances([*worsenings, *losses], pairs)
    rows = []
    for i, column in enumerate(columns):
        mean, share = float(worsenings[i].mean()), float(losses[i].mean())
        no_worsening, no_improvement = chances[i]
        no_loss = chances[len(columns) + i][0]
        verdict: Verdict = "same"
        if (mean > column.tolerance and no_worsening < ALPHA) or (share > FAILED_SHARE and no_loss < ALPHA):
            verdict = "worse"
        elif mean < -column.tolerance and no_improvement < ALPHA:
            verdict = "better"
        elif abs(mean) > column.tolerance or share > FAILED_SHARE:
            verdict = "noise"
        rows.append(column.row(verdict, worsenings[i], mean, no_worsening if mean >= 0 else no_improvement))
    return rows


def _range(columns: Sequence[Column], metric: str) -> tuple[float, float]:
    """Return the smallest and the largest finite value of any model on a metric, in the reference or the run."""
    values = np.concatenate([side for c in columns if c.metric == metric for side in (c.reference, c.run)])
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)


def _worsening(column: Column, limits: tuple[float, float]) -> np.ndarray:
    """Return the finite change per pair from reference to run; positive is worse.

    A lost value counts as the worst value, an infinite one as the most extreme finite one. A pair without a value on
    both sides did not change.
    """
    worst = limits[0] if column.higher_is_better else limits[1]
    a, b = (np.clip(np.where(np.isnan(side), worst, side), *limits) for side in (column.reference, column.run))
    return a - b if column.higher_is_better else b - a


def _chances(moves: Sequence[np.ndarray], pairs: pd.DataFrame) -> Mapping[int, tuple[float, float]]:
    """Return, for each column of paired differences, Holm-corrected p-values of "no worsening" and "no improvement".

    One-sided, the share of nested bootstrap resamples whose mean is not positive (not negative).
    """
    chances = dict.fromkeys(range(len(moves)), (1.0, 1.0))
    moved = [i for i, column in enumerate(moves) if column.any()]
    if not moved:
        return chances
    source, driving = (
        Hierarchy.of(pairs[f"{side}_identity"], pairs[side].str.rpartition("/")[0]) for side in ("source", "driving")
    )
    n = max(RESAMPLES, 100 * len(moved))  # so that the smallest p-value survives the correction
    table = np.stack([moves[i] for i in moved], axis=1)
    means = weighted_means(table, resamples(source, driving, n, np.random.default_rng(SEED)))
    drawn = np.isfinite(means).sum(0)  # a resample of crossed lists may have no pair; it is left out
    p_values = [holm(((sign * means <= 0).sum(0) + 1) / (drawn + 1)) for sign in (1, -1)]
    return chances | dict(zip(moved, zip(*p_values)))
