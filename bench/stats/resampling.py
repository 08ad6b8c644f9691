"""Resampling of clustered pairs: identities, videos of an identity, pairs of a video.

Frames of one person are not independent, so a standard error over pairs is far too small. Here whole persons are drawn
with replacement, then the videos of each drawn person, then the pairs of each drawn video (the nested bootstrap of
Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 3.8). In cross-identity lists a pair belongs
to two persons: both sides are drawn independently and a pair counts as often as the product of its two sides (the
pigeonhole bootstrap of Owen, Annals of Applied Statistics 1(2), 2007). Both give too wide intervals where the pairs of
one person differ much, and too narrow ones with few persons; `bench.stats.intervals` corrects both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.stats.columns import Columns

# More draws exceed the cache, and need more time and memory. Changing this number changes the resamples of a seed.
DRAWS_AT_A_TIME = 250_000
BLOCK = 4_000_000  # draws per matrix product, which is slow for few rows


@dataclass(frozen=True)
class Hierarchy:
    """The person and the video of each of N pairs.

    identity, video: ``(N,)`` numbers of each pair's identity and video; videos are numbered identity by identity.
    videos: ``(I,)`` number of videos of each identity. pairs: ``(V,)`` number of pairs of each video.
    """

    identity: np.ndarray
    video: np.ndarray
    videos: np.ndarray
    pairs: np.ndarray

    @classmethod
    def of(cls, identities: Iterable[str], videos: Iterable[str]) -> Hierarchy:
        """Return the hierarchy from each pair's identity and video by name; videos are named per identity."""
        names = pd.MultiIndex.from_arrays([[str(name) for name in identities], [str(name) for name in videos]])
        video, unique = pd.factorize(names, sort=True)
        people, sizes = np.unique(unique.get_level_values(0), return_counts=True)
        return cls(np.repeat(np.arange(len(people)), sizes)[video], video, sizes, np.bincount(video))

    @property
    def effective_identities(self) -> float:
        """Return the number of equally frequent identities with the same concentration (1 / Σ share²)."""
        shares = np.bincount(self.identity) / len(self.identity)
        return float(1 / np.square(shares).sum())

    def draw_videos(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw ``(n, V)`` how often each video is in each of `n` resamples."""
        identities = draw_within(np.ones((n, 1), int), np.array([len(self.videos)]), rng)
        return draw_within(identities, self.videos, rng)

    def draw_pairs(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw ``(n, N)`` how often each pair is in each of `n` resamples."""
        drawn = draw_within(self.draw_videos(n, rng), self.pairs, rng)
        place = np.empty(len(self.video), int)
        place[np.argsort(self.video, kind="stable")] = np.arange(len(self.video))
        return drawn[:, place]


def draw_within(counts: np.ndarray, sizes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw members of groups with replacement: every occurrence of a group draws as many as the group has.

    counts: ``(n, G)`` occurrences of each group in each resample. sizes: ``(G,)`` members of each group.
    Returns ``(n, sum(sizes))`` occurrences of each member, group by group.
    """
    n, members = len(counts), int(sizes.sum())
    draws = (counts * sizes).ravel()
    first = np.cumsum(sizes) - sizes + members * np.arange(n)[:, None]  # position of each group in each resample
    drawn = rng.random(int(draws.sum()))
    drawn *= np.repeat(np.tile(sizes.astype(np.float64), n), draws)
    places = drawn.astype(np.int64)
    places += np.repeat(first.ravel(), draws)
    return np.bincount(places, minlength=n * members).reshape(n, members)


def resamples(source: Hierarchy, driving: Hierarchy, n: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield `n` resamples as blocks ``(r, N)`` of each pair's counts; crossed where the sides' people differ."""
    crossed = not np.array_equal(source.identity, driving.identity)

    def draw(size: int) -> np.ndarray:
        if not crossed:
            return driving.draw_pairs(size, rng)
        sides = [side.draw_videos(size, rng)[:, side.video] for side in (source, driving)]
        return sides[0] * sides[1]

    return _blocks(n, len(driving.video), draw)


def _blocks(n: int, wide: int, draw: Callable[[int], np.ndarray]) -> Iterator[np.ndarray]:
    """Yield `n` rows of `wide` draws as float64 blocks; draw: makes the given number of rows."""
    chunk = max(1, DRAWS_AT_A_TIME // wide)
    rows = chunk * max(1, BLOCK // (chunk * wide))
    for start in range(0, n, rows):
        block = np.empty((min(rows, n - start), wide))
        for first in range(0, len(block), chunk):
            size = min(chunk, len(block) - first)
            block[first : first + size] = draw(size)
        yield block


def weighted_means(values: np.ndarray | Columns, weights: Iterable[np.ndarray]) -> np.ndarray:
    """Return means ``(n, C)`` of the finite values in each column ``(N, C)``; NaN where a resample has none."""
    columns = Columns.of(values)
    with np.errstate(invalid="ignore"):
        return np.concatenate([columns.sums(block) / columns.weights(block) for block in weights])


def sums_by(labels: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return sums ``(G, C)`` of the rows of `columns` ``(N, C)`` by label; labels: ``(N,)``, 0 to G - 1, all used."""
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], np.arange(labels.max() + 1))
    return np.add.reduceat(columns[order].astype(np.float64), starts, axis=0)


def sign_flip_p(sums: np.ndarray | Columns, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return two-sided p-values ``(C,)`` of the randomization test that flips the sign of whole clusters.

    sums: ``(K, C)`` sums of paired differences over each of K clusters; non-finite ones count as 0. Under the null
    hypothesis a cluster's sum is as likely as its negative (Fisher's randomization test). Tries every pattern where
    there are at most `n`, else `n` random ones and the observed one.
    """
    columns = Columns.of(sums)
    clusters = columns.shape[0]
    bar = np.concatenate([_bar(part) for _, part in columns.parts()])
    if clusters - 1 <= 62 and 2 ** (clusters - 1) <= n:
        patterns = np.arange(2 ** (clusters - 1))[:, None] >> np.arange(clusters) & 1
        return (np.abs(columns.sums(1.0 - 2.0 * patterns)) >= bar).mean(0)
    reached = np.zeros(columns.shape[1])
    for flips in _blocks(n, clusters, lambda size: rng.integers(0, 2, (size, clusters), dtype=np.int8)):
        reached += (np.abs(columns.sums(1.0 - 2.0 * flips)) >= bar).sum(0)
    return (reached + 1) / (n + 1)


def _bar(sums: np.ndarray) -> np.ndarray:
    """Return the value that a pattern of signs must reach; sums that are equal up to rounding count as equal."""
    finite = np.where(np.isfinite(sums), sums, 0.0)
    return np.abs(finite.sum(0)) - 1e-12 * np.abs(finite).sum(0)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for many tests (Holm, Scandinavian Journal of Statistics 6, 1979), in the same order."""
    p = np.asarray(p_values, float)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted.tolist()
