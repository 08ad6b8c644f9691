"""Distances of several models from the same real rows, with resamples of the people in them.

Frames of one person are not independent, so whole people are drawn, with all of their rows; a person on both sides is
drawn on both. The kernel distance of each resample is exact: a distance is a quadratic form in the number of times that
each person is drawn. Two copies of one person are never compared with each other, since the population has no such
copies.
The Fréchet distance of each resample is a first-order approximation (Efron, The Jackknife, the Bootstrap and Other
Resampling Plans, 1982, chapter 6: the infinitesimal jackknife). The exact value in a resample would be useless: a
resample has fewer people, and the distance grows with every missing one, so percentiles of such values rarely contain
the distance. As for means (`bench.stats.intervals`), the resamples give the shape, and the spread between people with
Student's quantile the width: quantiles of an `Estimate`, at `CONFIDENCE`, are the ends of its interval.

The interval is of the value that other people would give, at the same number of rows and people: it includes the
Fréchet distance's bias by that number, as the value does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from bench.metrics.sets.base import Estimate, Features
from bench.metrics.sets.frechet import distance, fit
from bench.metrics.sets.kid import block_sums
from reports.schema.summary import CONFIDENCE

FEWEST = 2  # rows of a side that has a value


@dataclass(frozen=True)
class People:
    """The person of each row of a model and of the real side, among all people of a run.

    made, real: ``(n1,)`` and ``(n2,)`` each row's person, 0 to P - 1. stratum: ``(P,)`` whether each person is on both
        sides or on one. Strata are drawn separately, so that no resample lacks a side.
    """

    made: np.ndarray
    real: np.ndarray
    stratum: np.ndarray

    @classmethod
    def of(cls, made: Sequence[np.ndarray], real: np.ndarray) -> list[People]:
        """Return the people of each model's rows, from their names; order and strata are the same for all."""
        names, places = np.unique(np.concatenate([real, *made]).astype(str), return_inverse=True)
        first, *others = np.split(places, np.cumsum([len(real), *map(len, made)])[:-1])
        stratum = np.isin(np.arange(len(names)), first) + 2 * np.isin(np.arange(len(names)), places[len(real) :])
        return [cls(one, first, stratum) for one in others]

    def counts(self) -> tuple[np.ndarray, np.ndarray]:
        """Return ``(P,)`` generated rows of each person, and real ones."""
        return self.sums(np.ones(len(self.made)), 0 * self.real), self.sums(0 * self.made, np.ones(len(self.real)))

    def sums(self, made: np.ndarray, real: np.ndarray) -> np.ndarray:
        """Return ``(P,)`` sums over each person's rows of ``(n1,)`` and ``(n2,)``."""
        people = len(self.stratum)
        return np.bincount(self.made, made, people) + np.bincount(self.real, real, people)

    def draw(self, resamples: int, seed: int) -> np.ndarray:
        """Return ``(resamples, P)`` how often each person is drawn; each stratum keeps its number of people."""
        rng = np.random.default_rng(seed)
        drawn = np.empty((resamples, len(self.stratum)))
        for members in self.strata():
            drawn[:, members] = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), resamples)
        return drawn

    def strata(self) -> list[np.ndarray]:
        """Return the people of each stratum."""
        return [np.flatnonzero(self.stratum == kind) for kind in np.unique(self.stratum)]

    def spread(self, influence: np.ndarray) -> tuple[float, float]:
        """Return the standard error and degrees of freedom of a value with derivative `influence` by person.

        As for means: squared differences between people, times E / (E - 1) for E effective people (1 / sum of
        squared shares of the rows) of each stratum. NaN where a stratum has one person.
        """
        rows = np.sum(self.counts(), axis=0)
        variance, freedom = 0.0, 0.0
        for members in self.strata():
            if len(members) < 2:
                return np.nan, 1.0
            effective = rows[members].sum() ** 2 / max(np.square(rows[members]).sum(), 1)
            apart = influence[members] - influence[members].mean()
            variance += np.square(apart).sum() * effective / max(effective - 1, 0.5)
            freedom += effective - 1
        return float(np.sqrt(variance)), max(freedom, 1.0)


def frechet(made: Sequence[Features], real: Features, resamples: int, seed: int, *, ddof: int = 1) -> list[Estimate]:
    """Return the Fréchet distance of each model, NaN where a side has fewer than 2 rows."""
    fitted = fit(real.values, ddof) if len(real.values) >= FEWEST else None
    found = []
    for one, people in zip(made, People.of([one.people for one in made], real.people)):
        if fitted is None or len(one.values) < FEWEST:
            found.append(_nothing(resamples))
            continue
        apart = distance(fit(one.values, ddof), fitted)
        influence = people.sums(*apart.influence)
        drawn = people.draw(resamples, seed)
        found.append(_estimate(apart.value, (drawn - 1) @ influence, influence, people))
    return found


def kid(made: Sequence[Features], real: Features, resamples: int, seed: int) -> list[Estimate]:
    """Return the kernel distance of each model on all rows; otherwise as `frechet`."""
    within: Pairs | None = None
    found = []
    for one, people in zip(made, People.of([one.people for one in made], real.people)):
        if min(len(one.values), len(real.values)) < FEWEST:
            found.append(_nothing(resamples))
            continue
        within = within or Pairs.of(real.values, people.real, len(people.stratum))
        own = Pairs.of(one.values, people.made, len(people.stratum))
        across = Pairs(
            block_sums(one.values, people.made, real.values, people.real, len(people.stratum)),
            np.outer(*people.counts()),
        )
        weights = np.vstack([np.ones(len(people.stratum)), people.draw(resamples, seed)])
        values = own.mean(weights) + within.mean(weights) - 2 * across.mean(weights)
        influence = own.gradient() + within.gradient() - 2 * across.gradient()
        found.append(_estimate(float(values[0]), values[1:], influence, people))
    return found


@dataclass(frozen=True)
class Pairs:
    """Kernel values between each two people: sums and numbers of pairs, both ``(P, P)``."""

    sums: np.ndarray
    numbers: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray, who: np.ndarray, people: int) -> Pairs:
        """Return the values of one side ``(n, d)`` with itself; who: ``(n,)``."""
        counts = np.bincount(who, minlength=people).astype(float)
        return cls(block_sums(features, who, count=people), np.outer(counts, counts) - np.diag(counts))

    def mean(self, drawn: np.ndarray) -> np.ndarray:
        """Return ``(R,)`` means over the pairs when people are drawn as in ``(R, P)``; NaN where there are none."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self._weighted(self.sums, drawn) / self._weighted(self.numbers, drawn)

    def gradient(self) -> np.ndarray:
        """Return ``(P,)`` derivatives of the mean by each person's weight, at equal weights."""
        mean = self.sums.sum() / self.numbers.sum()
        slopes = [table.sum(0) + table.sum(1) - np.diag(table) for table in (self.sums, self.numbers)]
        return (slopes[0] - mean * slopes[1]) / self.numbers.sum()

    @staticmethod
    def _weighted(table: np.ndarray, drawn: np.ndarray) -> np.ndarray:
        """Weight two people by the product of their counts, and a person with itself by its count."""
        own = np.diag(table)
        return ((drawn @ (table - np.diag(own))) * drawn).sum(1) + drawn @ own


def _estimate(value: float, resampled: np.ndarray, influence: np.ndarray, people: People) -> Estimate:
    """Center the resamples on the value, and scale them so that their quantiles match the spread between people."""
    error, freedom = people.spread(influence)
    tail = (1 + CONFIDENCE) / 2
    finite = resampled[np.isfinite(resampled)]
    usual = finite.std() if len(finite) else 0.0
    width = special.stdtrit(freedom, tail) / special.ndtri(tail) * error / usual if usual else error
    return Estimate(value, value + (resampled - finite.mean() if len(finite) else resampled) * width)


def _nothing(resamples: int) -> Estimate:
    return Estimate(np.nan, np.full(resamples, np.nan))
