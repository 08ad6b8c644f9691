"""Strengths of models out of who is preferred to whom: Bradley and Terry, ties after Davidson, who is shown first.

With strengths s (logits), nu and first-shown advantage g, of two models i shown first and j shown second
P(i) : P(tie) : P(j) = exp((s_i - s_j + g) / 2) : nu : exp(-(s_i - s_j + g) / 2). Bradley and Terry, Biometrika 39,
1952; Davidson, Journal of the American Statistical Association 65, 1970; the order after Davidson and Beaver,
Biometrics 33, 1977. Estimated by maximum likelihood; errors by the sandwich whose middle has raters and clips as
clusters (`bench.study.scoring.panel.two_way`), since votes of one rater are not independent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from scipy.sparse import csgraph

from bench.study.scoring.panel import CONFIDENCE, two_way
from bench.study.scoring.votes import oriented

STEPS = 100
TOLERANCE = 1e-10


@dataclass(frozen=True)
class Strengths:
    """strengths: ``(M,)`` logits with mean 0, in the order of `models`. nu: of ties, 0 where there are none.

    first: logits that the first shown gains, 0 where only one order was seen. covariance: ``(K, K)`` of the parameters
    s_2 - s_1, ..., s_M - s_1, then ln nu and first where they are estimated. df: degrees of freedom, ``(K,)``.
    """

    models: tuple[str, ...]
    strengths: np.ndarray
    nu: float
    first: float
    first_se: float
    covariance: np.ndarray
    influence: np.ndarray
    rater: np.ndarray
    clip: np.ndarray

    def contrast(self, weights: np.ndarray) -> tuple[float, float, float, float, float]:
        """Sum of strengths times `weights` ``(M,)`` (which add to 0), its interval, standard error, and p of zero."""
        weights = np.asarray(weights, float)
        value = float(weights @ self.strengths)
        full = np.zeros(self.influence.shape[1])
        full[: len(weights) - 1] = weights[1:]
        variance, df = _variance(self.influence @ full, self.rater, self.clip)
        return (value, *_interval(value, variance, df))


def wins(votes: pd.DataFrame, models: list[str]) -> np.ndarray:
    """How often the row's model was preferred to the column's ``(M, M)``, ties half."""
    facing = oriented(votes, models)
    table = np.zeros((len(models), len(models)))
    index = pd.Index(models)
    a, b = index.get_indexer(pd.Index(facing["a"])), index.get_indexer(pd.Index(facing["b"]))
    share = (np.sign(facing["grade"].to_numpy()) + 1) / 2
    np.add.at(table, (a, b), share)
    np.add.at(table, (b, a), 1 - share)
    return table


def undefined(votes: pd.DataFrame, models: list[str]) -> str | None:
    """Why no finite strengths exist, if so: some models never lost to the others, or were never compared with them."""
    table = wins(votes, models)
    parts, labels = csgraph.connected_components(table > 0, directed=True, connection="strong")
    if parts == 1:
        return None
    groups = [[model for model, label in zip(models, labels) if label == part] for part in range(parts)]
    apart = csgraph.connected_components(table > 0, directed=False)[0] > 1
    names = "; ".join(", ".join(group) for group in groups)
    if apart:
        return f"these were never compared with each other: {names}"
    return f"one of these groups was never preferred to another, so their distance has no limit: {names}"


def fit(votes: pd.DataFrame, models: list[str], *, order: bool = True) -> Strengths:
    """Estimate strengths. votes: one question's, `model` shown first, `grade` > 0 where it is better, 0 for a tie.

    order: estimate who is shown first, where both orders were seen. Raises ValueError where `undefined` gives a reason.
    """
    if why := undefined(votes, models):
        raise ValueError(why)
    index = pd.Index(models)
    i, j = (index.get_indexer(pd.Index(votes[side])) for side in ("model", "other_model"))
    outcome = np.sign(votes["grade"].to_numpy())
    design = np.zeros((len(votes), len(models)))
    design[np.arange(len(votes)), i] += 1
    design[np.arange(len(votes)), j] -= 1
    gaps = design[:, 1:]
    ties = bool((outcome == 0).any())
    order = order and bool((i < j).any() and (i > j).any()) and bool((outcome > 0).any() and (outcome < 0).any())
    columns = np.hstack([gaps, np.ones((len(votes), 1))]) if order else gaps
    theta = np.zeros(columns.shape[1] + ties)
    for _ in range(STEPS):
        scores, information = _scores(theta, columns, outcome, ties)
        step = np.linalg.solve(information + 1e-12 * np.eye(len(theta)), scores.sum(0))
        step *= min(1.0, 2.0 / np.abs(step).max(initial=1e-300))
        theta = theta + step
        if np.abs(step).max() < TOLERANCE:
            break
    scores, information = _scores(theta, columns, outcome, ties)
    influence = scores @ np.linalg.inv(information)
    rater, clip = (pd.factorize(votes[name])[0] for name in ("rater", "clip"))
    own = np.concatenate([[0.0], theta[: len(models) - 1]])
    first = float(theta[len(models) - 1]) if order else 0.0
    first_se = _variance(influence[:, len(models) - 1], rater, clip)[0] ** 0.5 if order else float("nan")
    return Strengths(
        tuple(models),
        own - own.mean(),
        float(np.exp(theta[-1])) if ties else 0.0,
        first,
        first_se,
        np.linalg.inv(information),
        influence,
        rater,
        clip,
    )


def _scores(theta: np.ndarray, columns: np.ndarray, outcome: np.ndarray, ties: bool) -> tuple[np.ndarray, np.ndarray]:
    """Gradient of each vote's log-likelihood ``(N, K)``, and the expected information ``(K, K)``."""
    gap = columns @ theta[: columns.shape[1]]
    weights = np.stack([np.exp(gap / 2), np.full_like(gap, np.exp(theta[-1]) if ties else 0.0), np.exp(-gap / 2)])
    won, tied, lost = weights / weights.sum(0)
    slope = (outcome - (won - lost)) / 2
    scores = slope[:, None] * columns
    curve = (won + lost - (won - lost) ** 2) / 4
    information = (columns * curve[:, None]).T @ columns
    if not ties:
        return scores, information
    scores = np.hstack([scores, ((outcome == 0) - tied)[:, None]])
    cross = columns.T @ (-(won - lost) * tied / 2)
    corner = (tied * (1 - tied)).sum()
    return scores, np.block([[information, cross[:, None]], [cross[None, :], np.array([[corner]])]])


def _variance(errors: np.ndarray, rater: np.ndarray, clip: np.ndarray) -> tuple[float, float]:
    shape = rater.max() + 1, clip.max() + 1
    table, counts = np.zeros(shape), np.zeros(shape)
    np.add.at(table, (rater, clip), errors)
    np.add.at(counts, (rater, clip), 1.0)
    variance, df = two_way(table, counts / counts.sum(), counts > 0)
    return variance, df


def _interval(value: float, variance: float, df: float) -> tuple[float, float, float, float]:
    if not np.isfinite(variance):
        return np.nan, np.nan, np.nan, np.nan
    se = variance**0.5
    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, df)) * se
    p = float(2 * stats.t.sf(abs(value) / se, df)) if se > 0 else float(value == 0)
    return value - half, value + half, se, p
