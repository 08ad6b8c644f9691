"""Intervals of distances between two sets of features, by resampling the people in them.

Frames of one person are not independent, so people are drawn, with all that belongs to them; a person in both sets is
drawn for both. The kernel distance of each resample is exact: a distance is a quadratic form in how often each person
is drawn. Two copies of one person are never compared with each other, for there are no such copies in the population.
The Fréchet distance of each resample is of first order (Efron, The Jackknife, the Bootstrap and Other Resampling
Plans, 1982, chapter 6: the infinitesimal jackknife). Its own value in a resample would be useless: a resample holds
fewer people, and the distance grows with every one that is missing; percentiles of such values rarely hold the
distance. As for means (`bench.stats.intervals`), the resamples give the shape, and the spread between people with
Student's quantile the width.

The interval is of the value that other people would give, at the same number of rows and people: the bias of the
Fréchet distance by that number is in it, as it is in the value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from bench.metrics.sets.frechet import Normal, distance
from bench.metrics.sets.kid import block_sums

RESAMPLES, CONFIDENCE = 1000, 0.95


@dataclass(frozen=True)
class SetValue:
    """A distance and its interval ``(2,)``; NaN where a single person leaves no spread to be known.

    people: in both sets together.
    """

    value: float
    interval: np.ndarray
    people: int


@dataclass(frozen=True)
class People:
    """Who the rows of two sets belong to.

    one, other: ``(n1,)`` and ``(n2,)`` each row's person, 0 to P - 1. counts: ``(2, P)`` rows of each person. stratum:
    ``(P,)`` people in both sets, or in one of them, are drawn apart, so that no resample lacks a set.
    """

    one: np.ndarray
    other: np.ndarray
    counts: np.ndarray
    stratum: np.ndarray

    @classmethod
    def of(cls, one: Sequence[str] | np.ndarray, other: Sequence[str] | np.ndarray) -> People:
        """From each row's person by name; the same name in both sets is the same person."""
        names, places = np.unique(np.concatenate([np.asarray(one, str), np.asarray(other, str)]), return_inverse=True)
        first, second = places[: len(one)], places[len(one) :]
        counts = np.stack([np.bincount(side, minlength=len(names)) for side in (first, second)])
        return cls(first, second, counts, (counts[0] > 0) + 2 * (counts[1] > 0))

    def sums(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """``(P,)`` of each person's rows of ``(n1,)`` and ``(n2,)``."""
        people = self.counts.shape[1]
        return np.bincount(self.one, one, people) + np.bincount(self.other, other, people)

    def draw(self, resamples: int, rng: np.random.Generator) -> np.ndarray:
        """``(resamples, P)`` how often each person is drawn; each stratum keeps its number of people."""
        drawn = np.empty((resamples, len(self.stratum)))
        for members in self.strata():
            drawn[:, members] = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), resamples)
        return drawn

    def strata(self) -> list[np.ndarray]:
        """The people of each stratum."""
        return [np.flatnonzero(self.stratum == kind) for kind in np.unique(self.stratum)]

    def spread(self, influence: np.ndarray) -> tuple[float, float]:
        """Standard error of a value whose derivative by each person's weight is `influence`; degrees of freedom.

        As for means: squares of what people differ by, times E / (E - 1) for E effective people (1 / sum of squared
        shares of the rows) of each stratum. NaN where a stratum has one person.
        """
        variance, freedom = 0.0, 0.0
        for members in self.strata():
            rows = self.counts[:, members].sum(0)
            effective = 1 / np.square(rows / rows.sum()).sum()
            if len(members) < 2:
                return np.nan, 1.0
            apart = influence[members] - influence[members].mean()
            variance += np.square(apart).sum() * effective / max(effective - 1, 0.5)
            freedom += effective - 1
        return float(np.sqrt(variance)), max(freedom, 1.0)


def frechet_interval(
    one: Normal,
    other: Normal,
    people: People,
    resamples: int = RESAMPLES,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> SetValue:
    """The Fréchet distance of two prepared sets and its interval; the same seed gives all models the same resamples."""
    found = distance(one, other)
    influence = people.sums(*found.influence)
    drawn = people.draw(resamples, np.random.default_rng(seed))
    return _interval(found.value, (drawn - 1) @ influence, influence, people, confidence)


@dataclass(frozen=True)
class Pairs:
    """Kernel values of the pairs of each two people: sums and numbers, both ``(P, P)``."""

    sums: np.ndarray
    numbers: np.ndarray

    def mean(self, drawn: np.ndarray) -> np.ndarray:
        """``(R,)`` means over the pairs when people are drawn as in ``(R, P)``."""
        return self._weighted(self.sums, drawn) / self._weighted(self.numbers, drawn)

    def gradient(self) -> np.ndarray:
        """``(P,)`` derivative of the mean by each person's weight, at equal ones."""
        mean = self.sums.sum() / self.numbers.sum()
        slopes = [table.sum(0) + table.sum(1) - np.diag(table) for table in (self.sums, self.numbers)]
        return (slopes[0] - mean * slopes[1]) / self.numbers.sum()

    @staticmethod
    def _weighted(table: np.ndarray, drawn: np.ndarray) -> np.ndarray:
        """Two people count as often as the product, a person with itself as often as it is drawn."""
        own = np.diag(table)
        return ((drawn @ (table - np.diag(own))) * drawn).sum(1) + drawn @ own


def pairs(features: np.ndarray, who: np.ndarray, people: People) -> Pairs:
    """Of one set ``(n, d)`` with itself; who: ``(n,)``. Worth keeping for a set that many others are compared with."""
    counts = np.bincount(who, minlength=people.counts.shape[1]).astype(float)
    sums = block_sums(features, who, count=len(counts))
    return Pairs(sums, np.outer(counts, counts) - np.diag(counts))


def kid_interval(
    one: np.ndarray,
    other: np.ndarray,
    people: People,
    resamples: int = RESAMPLES,
    seed: int = 0,
    confidence: float = CONFIDENCE,
    within: Pairs | None = None,
) -> SetValue:
    """The kernel distance of ``(n1, d)`` and ``(n2, d)``, `bench.metrics.sets.kid.kid`, and its interval.

    within: `pairs` of the first set, where they are known already.
    """
    first, second = within or pairs(one, people.one, people), pairs(other, people.other, people)
    sums = block_sums(one, people.one, other, people.other, len(people.stratum))
    across = Pairs(sums, np.outer(*people.counts).astype(float))
    weights = np.vstack([np.ones(len(people.stratum)), people.draw(resamples, np.random.default_rng(seed))])
    values = first.mean(weights) + second.mean(weights) - 2 * across.mean(weights)
    influence = first.gradient() + second.gradient() - 2 * across.gradient()
    return _interval(float(values[0]), values[1:], influence, people, confidence)


def _interval(
    value: float, resampled: np.ndarray, influence: np.ndarray, people: People, confidence: float
) -> SetValue:
    """Quantiles of the resamples about their mean, scaled to the spread between people."""
    error, freedom = people.spread(influence)
    tail = (1 - confidence) / 2
    student = stats.t.ppf(1 - tail, freedom) / stats.norm.ppf(1 - tail)
    usual = resampled.std()
    shape = (np.quantile(resampled, [tail, 1 - tail]) - resampled.mean()) / (usual or 1.0)
    return SetValue(value, value + shape * student * error, people.counts.shape[1])
