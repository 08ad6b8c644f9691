"""Means of groups of votes, and their differences, with errors clustered by raters and clips.

A vote belongs to a rater and to a clip, and both are samples: a strict rater is strict for every clip, a hard clip is
hard for every rater. Votes are therefore not independent, and more votes of the same people on the same clips say less
than their number suggests. The variance of a mean is V_raters + V_clips - V_rest, each the sum of squared contributions
to the error of a rater, of a clip, or of the unexplained rest (two-way clusters: Cameron, Gelbach and Miller, Journal
of Business & Economic Statistics 29(2), 2011). Where every rater votes once on every clip, it is exactly the analysis
of variance of two crossed random factors without replication, (MS_raters + MS_clips - MS_rest) / N. The shape of an
interval is that of the bootstrap that draws raters and clips with replacement (Owen, Annals of Applied Statistics 1(2),
2007), which alone is too wide; its width is Student's for Satterthwaite's degrees of freedom.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import stats

CONFIDENCE = 0.95
ALONE = 1.5  # effective raters or clips; with fewer, the spread between them cannot be estimated
SWEEPS = 100  # iterations of the fit of raters' and clips' contributions to an error
RESAMPLES = 2000
TINY = 1e-20  # variance that is rounding: grades without any spread


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval, standard error and degrees of freedom; `p` of the hypothesis that it is zero.

    low, high, p: NaN with neither two raters nor two clips, or without spread. n: number of votes. raters, clips:
        number of those with votes.
    """

    value: float
    low: float
    high: float
    se: float
    df: float
    p: float
    n: int
    raters: int
    clips: int


class Panel:
    """Votes of R raters on C clips in G groups: models, or pairs of them.

    votes: columns `rater`, `clip`, `group` and `grade` (finite numbers), a row per vote, in any order.
    groups: in the desired order, by default sorted. One seed makes one set of resamples, so differences are paired.
    """

    def __init__(self, votes: pd.DataFrame, groups: list[str] | None = None, *, n: int = RESAMPLES, seed: int = 0):
        self.groups = list(dict.fromkeys(votes["group"])) if groups is None else list(groups)
        rater, raters = pd.factorize(votes["rater"], sort=True)
        clip, clips = pd.factorize(votes["clip"], sort=True)
        group = pd.Index(self.groups).get_indexer(pd.Index(votes["group"]))
        self._fill(group, rater, clip, votes["grade"].to_numpy(float), (len(self.groups), len(raters), len(clips)))
        self.n, self.seed = n, seed

    @classmethod
    def of_numbers(
        cls, group: np.ndarray, rater: np.ndarray, clip: np.ndarray, grade: np.ndarray, *, n: int, seed: int
    ) -> Panel:
        """Return a panel from numbers instead of names, all ``(N,)``; groups are named ``0``, ``1`` and so on."""
        panel = cls.__new__(cls)
        shape = (int(group.max()) + 1, int(rater.max()) + 1, int(clip.max()) + 1)
        panel.groups = [str(place) for place in range(shape[0])]
        panel._fill(group, rater, clip, grade, shape)
        panel.n, panel.seed = n, seed
        return panel

    def _fill(
        self, group: np.ndarray, rater: np.ndarray, clip: np.ndarray, grade: np.ndarray, shape: tuple[int, int, int]
    ) -> None:
        self.sums, self.counts = np.zeros(shape), np.zeros(shape)
        np.add.at(self.sums, (group, rater, clip), grade)
        np.add.at(self.counts, (group, rater, clip), 1.0)

    @cached_property
    def means(self) -> np.ndarray:
        """Return the plain mean of each group ``(G,)``, NaN without votes."""
        with np.errstate(invalid="ignore"):
            return self.sums.sum((1, 2)) / self.counts.sum((1, 2))

    @cached_property
    def weights(self) -> tuple[np.ndarray, np.ndarray]:
        """Return how often each rater ``(n, R)`` and each clip ``(n, C)`` is in each resample."""
        rng = np.random.default_rng(self.seed)
        _, raters, clips = self.sums.shape

        def draw(size: int) -> np.ndarray:
            return rng.multinomial(size, np.full(size, 1 / size), self.n).astype(float)

        return draw(raters), draw(clips)

    @cached_property
    def drawn(self) -> np.ndarray:
        """Return the group means in each resample ``(n, G)``, NaN where a group has no vote."""
        raters, clips = self.weights
        found = np.empty((self.n, len(self.groups)))
        for place, (sums, counts) in enumerate(zip(self.sums, self.counts)):
            with np.errstate(invalid="ignore"):
                found[:, place] = ((raters @ sums) * clips).sum(1) / ((raters @ counts) * clips).sum(1)
        return found

    def estimate(self, contrast: np.ndarray, bounds: tuple[float, float] | None = None) -> Estimate:
        """Return the sum of the groups' means times `contrast` ``(G,)``: one group, or a difference of two.

        bounds: of the value's range; the interval is clipped to them.
        """
        used = np.flatnonzero(contrast)
        counts, sums, c = self.counts[used], self.sums[used], np.asarray(contrast, float)[used]
        totals = counts.sum((1, 2))
        value = float(c @ self.means[used])
        with np.errstate(invalid="ignore", divide="ignore"):
            errors = np.einsum("g,grc->rc", c / totals, sums - self.means[used, None, None] * counts)
            shares = np.einsum("g,grc->rc", np.abs(c) / np.abs(c).sum() / totals, counts)
        here = counts.sum(0) > 0
        n, raters, clips = int(totals.sum()), int(here.any(1).sum()), int(here.any(0).sum())
        if not np.isfinite(value):
            return Estimate(value, np.nan, np.nan, np.nan, np.nan, np.nan, n, raters, clips)
        variance, df = two_way(errors, shares, here)
        if not variance > TINY:
            return Estimate(value, np.nan, np.nan, float(variance**0.5), df, np.nan, n, raters, clips)
        se = variance**0.5
        half = stats.t.ppf(0.5 + CONFIDENCE / 2, df) * se
        low, high = self._shaped(value, half, self.drawn[:, used] @ c)
        p = float(2 * stats.t.sf(abs(value) / se, df))
        if bounds is not None:
            low, high = (float(np.clip(end, *bounds)) for end in (low, high))
        return Estimate(value, low, high, float(se), df, p, n, raters, clips)

    def of(self, group: str, bounds: tuple[float, float] | None = None) -> Estimate:
        """Return the mean of one group."""
        return self.estimate(np.array([float(name == group) for name in self.groups]), bounds)

    def difference(self, a: str, b: str) -> Estimate:
        """Return the mean of group a minus that of group b, with the joint contributions of each rater and clip."""
        return self.estimate(np.array([float(name == a) - float(name == b) for name in self.groups]))

    @staticmethod
    def _shaped(value: float, half: float, drawn: np.ndarray) -> tuple[float, float]:
        """Return the bootstrap's percentiles around the value, scaled to an average half width of `half`."""
        if not np.isfinite(half):
            return np.nan, np.nan
        drawn = drawn[np.isfinite(drawn)]
        tail = (1 - CONFIDENCE) / 2
        below, above = (
            (value - np.quantile(drawn, tail), np.quantile(drawn, 1 - tail) - value) if len(drawn) else (0, 0)
        )
        width = below + above
        if width <= 0 or min(below, above) < 0:
            return value - half, value + half
        return float(value - below * 2 * half / width), float(value + above * 2 * half / width)


def two_way(errors: np.ndarray, shares: np.ndarray, here: np.ndarray) -> tuple[float, float]:
    """Return the variance of an estimate over raters and clips, and its degrees of freedom; NaN and 1 if undefined.

    errors: ``(R, C)`` contribution of a rater's votes on a clip to the estimate's error (its influence function); their
    sum is zero. shares: ``(R, C)`` of the votes, sum 1. here: ``(R, C)`` whether there is a vote.
    """
    sides = []
    for axis in (1, 0):
        effective = 1 / np.square(shares.sum(axis)).sum()
        if effective >= ALONE:
            sides.append((np.square(errors.sum(axis)).sum() * effective / (effective - 1), effective - 1))
    if not sides:
        return np.nan, 1.0
    parts = [(variance, df) for variance, df in sides]
    total = max(variance for variance, _ in parts)
    if len(sides) == 2:
        rest, df = _rest(errors, here)
        together = (
            sum(variance for variance, _ in sides) - rest - _twice(sides[0][0] - rest, sides[1][0] - rest, shares)
        )
        if together > total:
            total, parts = together, [*parts, (rest, df)]
        else:
            parts = [max(sides)] if total > TINY else [(rest, df)]  # chance alone, without effects of raters or clips
            total = parts[0][0]
    if total <= TINY:
        return 0.0, max(1.0, min(df for _, df in parts))
    df = total**2 / sum(variance**2 / df for variance, df in parts if df > 0)
    return float(total), float(max(1.0, df))


def _twice(of_raters: float, of_clips: float, shares: np.ndarray) -> float:
    """Return the overlap of both sides: raters who saw other clips also differ because of these clips.

    None where every rater saw every clip equally often. of_raters, of_clips: the sides without the rest. With variances
    r and c of raters and clips they are r A + c D and c B + r D, and D (r + c) is counted twice.
    """
    rows, columns = shares.sum(1), shares.sum(0)
    own = np.square(rows).sum(), np.square(columns).sum()
    crossed = np.square(shares - np.outer(rows, columns)).sum()
    if crossed < 1e-12 or crossed >= 0.9 * min(own):
        return 0.0
    found = np.linalg.solve(np.array([[own[0], crossed], [crossed, own[1]]]), [of_raters, of_clips])
    return float(crossed * np.maximum(found, 0).sum())


def _rest(errors: np.ndarray, here: np.ndarray) -> tuple[float, float]:
    """Return the variance that neither raters nor clips explain, and its degrees of freedom; 0 and 0 without any."""
    number = here.sum()
    df = number - here.any(1).sum() - here.any(0).sum() + 1
    if df <= 0:
        return 0.0, 0.0
    left = np.where(here, errors, 0.0)
    rows, columns = np.maximum(here.sum(1), 1), np.maximum(here.sum(0), 1)
    for _ in range(SWEEPS):
        left = np.where(here, left - (left.sum(1) / rows)[:, None], 0.0)
        step = left.sum(0) / columns
        left = np.where(here, left - step, 0.0)
        if np.abs(step).max(initial=0) < 1e-12:
            break
    return float(np.square(left).sum() * number / df), float(df)
