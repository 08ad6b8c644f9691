"""Strengths of models from preferences: Bradley-Terry model, ties by Davidson, effect of the first shown.

With strengths s (logits), nu and first-shown advantage g, of two models i shown first and j shown second P(i) : P(tie)
: P(j) = exp((s_i - s_j + g) / 2) : nu : exp(-(s_i - s_j + g) / 2). Bradley and Terry, Biometrika 39, 1952; Davidson,
Journal of the American Statistical Association 65, 1970; order effect: Davidson and Beaver, Biometrics 33, 1977.
Estimated by maximum likelihood; errors by the sandwich estimator with raters and clips as clusters
(`bench.study.scoring.panel.two_way`), since votes of one rater are not independent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize, stats
from scipy.sparse import csgraph

from bench.study.scoring.panel import CONFIDENCE, two_way
from bench.study.scoring.votes import oriented

STEPS = 100
TOLERANCE = 1e-10


@dataclass(frozen=True)
class Strengths:
    """Strengths of models. strengths: ``(M,)`` logits with mean 0, in the order of `models`. nu: of ties, 0 if none.

    first: advantage in logits of the first shown with low and high, None where the votes do not separate it from
        strengths. covariance: ``(K, K)``, as if votes were independent, of the parameters s_2 - s_1, ..., s_M - s_1,
        then first and ln nu where they are estimated. influence: ``(N, K)`` of each vote on them; rater, clip: ``(N,)``
        its numbers.
    """

    models: tuple[str, ...]
    strengths: np.ndarray
    nu: float
    first: tuple[float, float, float] | None
    covariance: np.ndarray
    influence: np.ndarray
    rater: np.ndarray
    clip: np.ndarray

    def contrast(self, weights: np.ndarray) -> tuple[float, float, float, float, float]:
        """Return the sum of strengths times `weights` ``(M,)`` (sum 0), its interval, standard error and p of zero."""
        weights = np.asarray(weights, float)
        value = float(weights @ self.strengths)
        full = np.zeros(self.influence.shape[1])
        full[: len(weights) - 1] = weights[1:]
        variance, df = _variance(self.influence @ full, self.rater, self.clip)
        return (value, *_interval(value, variance, df))


def wins(votes: pd.DataFrame, models: list[str]) -> np.ndarray:
    """Return how often the row's model was preferred to the column's ``(M, M)``; ties count half."""
    facing = oriented(votes, models)
    table = np.zeros((len(models), len(models)))
    index = pd.Index(models)
    a, b = index.get_indexer(pd.Index(facing["a"])), index.get_indexer(pd.Index(facing["b"]))
    share = (np.sign(facing["grade"].to_numpy()) + 1) / 2
    np.add.at(table, (a, b), share)
    np.add.at(table, (b, a), 1 - share)
    return table


def undefined(votes: pd.DataFrame, models: list[str]) -> str | None:
    """Return in words why there are no finite best strengths; None if there are."""
    table = wins(votes, models)
    parts, labels = csgraph.connected_components(table > 0, directed=True, connection="strong")
    if parts > 1:
        groups = [[model for model, label in zip(models, labels) if label == part] for part in range(parts)]
        apart = csgraph.connected_components(table > 0, directed=False)[0] > 1
        names = "; ".join(", ".join(group) for group in groups)
        if apart:
            return f"these groups were never compared with each other: {names}"
        return f"one of these groups was never preferred to another, so their distance is unbounded: {names}"
    outcome = np.sign(votes["grade"].to_numpy())
    if (outcome == 0).all():
        return "every comparison is a tie"
    if not _has_maximum(_gaps(votes, models), outcome):
        return "some model had only wins and ties, so its distance to the others is unbounded"
    return None


def fit(votes: pd.DataFrame, models: list[str], *, order: bool = True) -> Strengths:
    """Estimate strengths. votes: one question's, `model` shown first, `grade` > 0 where it is better, 0 for a tie.

    order: estimate the advantage of the first shown, where the votes allow it. Raises ValueError where `undefined`
    gives a reason.
    """
    if why := undefined(votes, models):
        raise ValueError(why)
    gaps, outcome = _gaps(votes, models), np.sign(votes["grade"].to_numpy())
    ties = bool((outcome == 0).any())
    with_order = np.hstack([gaps, np.ones((len(votes), 1))])
    order = order and _has_maximum(with_order, outcome)
    theta, influence, covariance = _maximum(with_order if order else gaps, outcome, ties)
    rater, clip = (pd.factorize(votes[name])[0] for name in ("rater", "clip"))
    own = np.concatenate([[0.0], theta[: len(models) - 1]])
    first = None
    if order:
        place = len(models) - 1
        low, high, _, _ = _interval(float(theta[place]), *_variance(influence[:, place], rater, clip))
        first = float(theta[place]), low, high
    nu = float(np.exp(theta[-1])) if ties else 0.0
    return Strengths(tuple(models), own - own.mean(), nu, first, covariance, influence, rater, clip)


def _gaps(votes: pd.DataFrame, models: list[str]) -> np.ndarray:
    """Return ``(N, M - 1)``, of all models but the first: 1 where it is shown first, -1 where second."""
    index = pd.Index(models)
    design = np.zeros((len(votes), len(models)))
    for side, sign in (("model", 1), ("other_model", -1)):
        design[np.arange(len(votes)), index.get_indexer(pd.Index(votes[side]))] += sign
    return design[:, 1:]


def _has_maximum(columns: np.ndarray, outcome: np.ndarray) -> bool:
    """Return whether the likelihood has a single finite maximum (Albert and Anderson, Biometrika 71, 1984).

    It has one unless the parameters can move to infinity without making any vote less likely.
    columns: ``(N, K)`` of the parameters except ties. outcome: ``(N,)`` 1, 0 or -1.
    """
    ties = (outcome == 0).any()
    votes = np.unique(np.column_stack([columns, outcome]), axis=0)
    given, said = votes[:, :-1], votes[:, -1]

    def features(result: np.ndarray) -> np.ndarray:
        """Return each vote's features for an outcome; times the parameters they are the logarithm of its weight."""
        return np.column_stack([given * result[:, None] / 2, result == 0])

    others = [features(np.full(len(said), one)) for one in ((1, 0, -1) if ties else (1, -1))]
    steps = np.vstack([features(said) - other for other in others])
    steps = steps if ties else steps[:, :-1]
    if np.linalg.matrix_rank(steps) < steps.shape[1]:
        return False
    found = optimize.linprog(-steps.sum(0), A_ub=-steps, b_ub=np.zeros(len(steps)), bounds=(-1, 1))
    return found.fun is not None and found.fun > -1e-9


def _maximum(columns: np.ndarray, outcome: np.ndarray, ties: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return maximum likelihood parameters ``(K,)``, the votes' influence ``(N, K)`` and the inverse information."""
    theta = np.zeros(columns.shape[1] + ties)
    for _ in range(STEPS):
        scores, information = _scores(theta, columns, outcome, ties)
        step = np.linalg.solve(information, scores.sum(0))
        step *= min(1.0, 2.0 / np.abs(step).max(initial=1e-300))
        theta = theta + step
        if np.abs(step).max() < TOLERANCE:
            break
    else:
        raise ArithmeticError("the Bradley-Terry likelihood has no maximum")
    scores, information = _scores(theta, columns, outcome, ties)
    inverse = np.linalg.inv(information)
    return theta, scores @ inverse, inverse


def _scores(theta: np.ndarray, columns: np.ndarray, outcome: np.ndarray, ties: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the gradient of each vote's log-likelihood ``(N, K)``, and the expected information ``(K, K)``."""
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
    return two_way(table, counts / counts.sum(), counts > 0)


def _interval(value: float, variance: float, df: float) -> tuple[float, float, float, float]:
    """Return low, high, standard error and p; NaN where votes have no spread."""
    if not variance > 0:
        return np.nan, np.nan, np.nan, np.nan
    se = variance**0.5
    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, df)) * se
    p = float(2 * stats.t.sf(abs(value) / se, df))
    return value - half, value + half, se, p
