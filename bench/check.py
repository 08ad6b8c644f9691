"""The drift gate: is a run still what a reference file says, metric by metric and pair by pair?

Exact mode: the same pairs with the same inputs; a single pair that moved by more than its metric's tolerance, to
either side, is drift. Statistical mode: on the pairs that both have, a metric is worse when its mean worsened by more
than the tolerance and the pairs' noise does not explain it: among nested bootstrap resamples of the paired differences
(see `bench.resampling`) so few are no worsening that the share, Holm-corrected over all models and metrics, stays
below `ALPHA`. A pair that newly has no value counts as the worst value that any model has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.drift_reference import Metric, Record, RunRecord
from bench.drift_rules import common_pairs, refuse_incomparable
from bench.resampling import Hierarchy, holm, resamples, weighted_means

Mode = Literal["exact", "statistical"]
Verdict = Literal["same", "changed", "worse", "noise", "better", "missing", "new"]
FAILING = ("changed", "worse", "missing")
ALPHA = 0.05
FAILED_SHARE = 0.02  # tolerance of the share of pairs without a value, statistical mode
WORST = 5
RESAMPLES = 10_000
SEED = 0


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


@dataclass(frozen=True)
class Result:
    """rows: by model, then metric. n: compared pairs of `n_reference`. notices: what a reader must know."""

    mode: Mode
    protocol: str
    rows: tuple[Row, ...]
    n: int
    n_reference: int
    notices: tuple[str, ...]

    @property
    def failures(self) -> list[Row]:
        return [row for row in self.rows if row.failed]


def check(
    reference: Record,
    run: RunRecord,
    mode: Mode = "statistical",
    models: Sequence[str] | None = None,
    tolerances: Mapping[str, float] | None = None,
) -> Result:
    """Hold a run against a reference.

    models: only these; default: all of the reference. tolerances: by metric, in place of the reference's.
    Raises UserError where the two cannot be compared, naming what differs: signatures, protocol, motion mode; in exact
    mode also pairs and inputs.
    """
    refuse_incomparable(reference, run.record, mode, models, tolerances or {})
    asked = sorted(models or reference.models)
    pairs, notices = common_pairs(reference, run.record, mode, asked)
    metrics = {
        name: metric.tolerance.model_dump()[mode] if name not in (tolerances or {}) else tolerances[name]
        for name, metric in reference.metrics.items()
    }
    columns = {}
    rows = []
    for model in asked:
        for name in sorted(metrics):
            if model not in run.record.models or name not in run.record.metrics:
                rows.append(Row(model, name, "missing"))
                continue
            values = [record.table(model)[name].reindex(pairs).to_numpy() for record in (reference, run.record)]
            columns[model, name] = values
    judge = _exact if mode == "exact" else _statistical
    found = judge(columns, reference, run, pairs, metrics) if columns else []
    new = [] if models else _new(reference, run.record)
    rows = sorted([*rows, *found, *new], key=lambda row: (row.model, row.metric))
    return Result(mode, str(reference.protocol["name"]), tuple(rows), len(pairs), len(reference.pairs), tuple(notices))


Columns = Mapping[tuple[str, str], list[np.ndarray]]


def _exact(
    columns: Columns, reference: Record, run: RunRecord, pairs: Sequence[str], tolerances: Mapping[str, float]
) -> list[Row]:
    rows = []
    for (model, name), (a, b) in columns.items():
        lost, mended = np.isnan(b) & ~np.isnan(a), np.isnan(a) & ~np.isnan(b)
        with np.errstate(invalid="ignore"):
            size = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(b - a))
        size = np.where(lost | mended, np.inf, size)
        beyond = size > tolerances[name]
        rows.append(
            Row(
                model,
                name,
                "changed" if beyond.any() else "same",
                worsening=float(size.max()),
                tolerance=tolerances[name],
                worst=_worst(size, beyond, model, name, (a, b), run, pairs),
                **_facts(a, b, beyond),
            )
        )
    return rows


def _statistical(
    columns: Columns, reference: Record, run: RunRecord, pairs: Sequence[str], tolerances: Mapping[str, float]
) -> list[Row]:
    worsening = {
        key: _worsening(*pair, reference.metrics[key[1]], _range(columns, key[1])) for key, pair in columns.items()
    }
    lost = {key: np.isnan(b).astype(float) - np.isnan(a) for key, (a, b) in columns.items()}
    chances = _chances(
        {("value", *k): v for k, v in worsening.items()} | {("lost", *k): v for k, v in lost.items()}, run, pairs
    )
    rows = []
    for (model, name), (a, b) in columns.items():
        size, tolerance = worsening[model, name], tolerances[name]
        mean, share = float(size.mean()), float(lost[model, name].mean())
        worse, better = chances["value", model, name]
        more_lost = chances["lost", model, name][0]
        if (mean > tolerance and worse < ALPHA) or (share > FAILED_SHARE and more_lost < ALPHA):
            verdict = "worse"
        elif mean > tolerance or share > FAILED_SHARE:
            verdict = "noise"
        elif mean < -tolerance:
            verdict = "better" if better < ALPHA else "noise"
        else:
            verdict = "same"
        beyond = size > tolerance
        rows.append(
            Row(
                model,
                name,
                verdict,
                worsening=mean,
                tolerance=tolerance,
                p=worse if mean >= 0 else better,
                worst=_worst(size, size > 0, model, name, (a, b), run, pairs),
                **_facts(a, b, beyond),
            )
        )
    return rows


def _range(columns: Columns, metric: str) -> tuple[float, float]:
    """The smallest and the largest finite value that any model has on a metric, in the reference or the run."""
    values = np.concatenate([value for (_, name), pair in columns.items() if name == metric for value in pair])
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)


def _worsening(a: np.ndarray, b: np.ndarray, metric: Metric, limits: tuple[float, float]) -> np.ndarray:
    """Per pair from reference `a` to run `b`, positive is worse; finite.

    A lost value counts as the worst of all values, an infinite one as the outermost finite one; a pair without a value
    on both sides has not moved.
    """
    worst = limits[0] if metric.higher_is_better else limits[1]
    filled = [np.clip(np.where(np.isnan(value), worst, value), *limits) for value in (a, b)]
    return filled[0] - filled[1] if metric.higher_is_better else filled[1] - filled[0]


def _chances(
    columns: Mapping[tuple[str, str, str], np.ndarray], run: RunRecord, pairs: Sequence[str]
) -> dict[tuple[str, str, str], tuple[float, float]]:
    """For each column of paired worsenings the Holm-corrected chances of no worsening and of no improvement."""
    chances = dict.fromkeys(columns, (1.0, 1.0))
    moved = {key: column for key, column in columns.items() if column.any()}
    if not moved:
        return chances
    facts = run.pairs.loc[list(pairs)]
    sides = [
        Hierarchy.of(facts[f"{side}_identity"], facts[side].str.rpartition("/")[0]) for side in ("source", "driving")
    ]
    # The smallest p-value must survive the correction for as many columns as there are.
    n = max(RESAMPLES, 100 * len(moved))
    means = weighted_means(np.stack(list(moved.values()), axis=1), resamples(*sides, n, np.random.default_rng(SEED)))
    corrected = []
    for sign in (1, -1):
        # A resample of crossed lists may hold no pair at all; it takes no part.
        drawn = np.isfinite(means).sum(0)
        corrected.append(holm(((sign * means <= 0).sum(0) + 1) / (drawn + 1)))
    return chances | dict(zip(moved, zip(*corrected)))


def _facts(a: np.ndarray, b: np.ndarray, beyond: np.ndarray) -> dict[str, float | int | None]:
    return {
        "n": len(a),
        "beyond": int(beyond.sum()),
        "lost": int((np.isnan(b) & ~np.isnan(a)).sum()),
        "mended": int((np.isnan(a) & ~np.isnan(b)).sum()),
        "reference": _mean(a),
        "run": _mean(b),
    }


def _mean(values: np.ndarray) -> float | None:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else None


def _worst(
    size: np.ndarray,
    shown: np.ndarray,
    model: str,
    metric: str,
    values: tuple[np.ndarray, np.ndarray],
    run: RunRecord,
    pairs: Sequence[str],
) -> tuple[Moved, ...]:
    order = [i for i in np.argsort(-size, kind="stable") if shown[i]][:WORST]
    reasons = run.reasons[metric]
    return tuple(
        Moved(pairs[i], float(values[0][i]), float(values[1][i]), _text(reasons.get((model, pairs[i])))) for i in order
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _new(reference: Record, run: Record) -> list[Row]:
    return [
        Row(model, metric, "new")
        for model in run.models
        for metric in run.metrics
        if model not in reference.models or metric not in reference.metrics
    ]
