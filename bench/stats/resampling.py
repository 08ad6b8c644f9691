"""Resampling of clustered pairs: identities, videos of an identity, pairs of a video.

Frames of one person are not independent, so a standard error over pairs is far too small. Here whole persons are
drawn with replacement, then the videos of each drawn person, then the pairs of each drawn video (the nested
bootstrap of Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 3.8). In cross-identity lists
a pair belongs to two persons: both sides are drawn independently and a pair counts as often as the product of its two
sides (the pigeonhole bootstrap of Owen, Annals of Applied Statistics 1(2), 2007). Both lean to the wide side where the
pairs of one person differ much, and to the narrow side with few persons; `bench.stats.intervals` corrects both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

DRAWS_AT_A_TIME = 250_000  # more leave the cache: they take longer, and memory


@dataclass(frozen=True)
class Hierarchy:
    """Which person's which video each of N pairs belongs to.

    identity, video: ``(N,)`` numbers of each pair's identity and video; videos are numbered identity by identity.
    videos: ``(I,)`` how many videos each identity has. pairs: ``(V,)`` how many pairs each video has.
    """

    identity: np.ndarray
    video: np.ndarray
    videos: np.ndarray
    pairs: np.ndarray

    @classmethod
    def of(cls, identities: Sequence[str], videos: Sequence[str]) -> Hierarchy:
        """From each pair's identity and video by name; the same video name under two identities is two videos."""
        names = pd.MultiIndex.from_arrays([[str(name) for name in identities], [str(name) for name in videos]])
        video, unique = pd.factorize(names, sort=True)
        people, sizes = np.unique(unique.get_level_values(0), return_counts=True)
        return cls(np.repeat(np.arange(len(people)), sizes)[video], video, sizes, np.bincount(video))

    @property
    def effective_identities(self) -> float:
        """The number of equally frequent identities that would be as concentrated as these are (1 / Σ share²)."""
        shares = np.bincount(self.identity) / len(self.identity)
        return float(1 / np.square(shares).sum())

    def draw_videos(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """``(n, V)`` how often each video is in each of `n` resamples."""
        identities = draw_within(np.ones((n, 1), int), np.array([len(self.videos)]), rng)
        return draw_within(identities, self.videos, rng)

    def draw_pairs(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """``(n, N)`` how often each pair is in each of `n` resamples."""
        drawn = draw_within(self.draw_videos(n, rng), self.pairs, rng)
        place = np.empty(len(self.video), int)
        place[np.argsort(self.video, kind="stable")] = np.arange(len(self.video))
        return drawn[:, place]


def draw_within(counts: np.ndarray, sizes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Members of groups, drawn with replacement: every occurrence of a group draws as many as the group has.

    counts: ``(n, G)`` occurrences of each group in each resample. sizes: ``(G,)`` members of each group.
    Returns ``(n, sum(sizes))`` occurrences of each member, group by group.
    """
    n, members = len(counts), int(sizes.sum())
    draws = counts * sizes
    resample = np.repeat(np.arange(n), draws.sum(1))
    first = np.repeat(np.tile(np.cumsum(sizes) - sizes, n), draws.ravel())
    size = np.repeat(np.tile(sizes, n), draws.ravel())
    member = first + (rng.random(len(first)) * size).astype(int)
    return np.bincount(resample * members + member, minlength=n * members).reshape(n, members)


def resamples(source: Hierarchy, driving: Hierarchy, n: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """`n` resamples as chunks ``(r, N)`` of how often each pair counts; crossed where the two sides' people differ."""
    crossed = not np.array_equal(source.identity, driving.identity)
    chunk = max(1, DRAWS_AT_A_TIME // len(driving.video))
    for start in range(0, n, chunk):
        size = min(chunk, n - start)
        if crossed:
            sides = [side.draw_videos(size, rng)[:, side.video] for side in (source, driving)]
            yield sides[0] * sides[1]
        else:
            yield driving.draw_pairs(size, rng)


def weighted_means(values: np.ndarray, weights: Iterable[np.ndarray]) -> np.ndarray:
    """Means ``(n, C)`` of the finite values in each column of `values` ``(N, C)``; NaN where a resample has none."""
    finite = np.isfinite(values)
    filled = np.where(finite, values, 0.0)
    masks, of_column = np.unique(finite, axis=1, return_inverse=True)  # few differ, so most products are spared
    masks = masks.astype(np.float64)
    means = []
    for chunk in weights:
        chunk = chunk.astype(np.float64)
        with np.errstate(invalid="ignore"):
            means.append((chunk @ filled) / (chunk @ masks)[:, of_column.ravel()])
    return np.concatenate(means)


def sums_by(labels: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Sums ``(G, C)`` of the rows of `columns` ``(N, C)`` with one label; labels: ``(N,)``, 0 to G - 1, all used."""
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], np.arange(labels.max() + 1))
    return np.add.reduceat(columns[order].astype(np.float64), starts, axis=0)


def sign_flip_p(sums: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Two-sided p-values ``(C,)`` of the randomisation test that flips the sign of whole clusters.

    sums: ``(K, C)`` sums of paired differences over each of K clusters. Under the null hypothesis a cluster's sum is
    as likely as its negative (Fisher's randomisation test). Every pattern is tried where there are at most `n`,
    else `n` random ones and the observed one.
    """
    clusters = len(sums)
    observed = np.abs(sums.sum(0))
    # sums that are equal but for rounding count as equal
    bar = observed - 1e-12 * np.abs(sums).sum(0)
    if clusters - 1 <= 62 and 2 ** (clusters - 1) <= n:
        patterns = np.arange(2 ** (clusters - 1))[:, None] >> np.arange(clusters) & 1
        return (np.abs((1.0 - 2.0 * patterns) @ sums) >= bar).mean(0)
    reached = np.zeros(sums.shape[1])
    chunk = max(1, DRAWS_AT_A_TIME // clusters)
    for start in range(0, n, chunk):
        signs = 1.0 - 2.0 * rng.integers(0, 2, (min(chunk, n - start), clusters), dtype=np.int8)
        reached += (np.abs(signs @ sums) >= bar).sum(0)
    return (reached + 1) / (n + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for several tests (Holm, Scandinavian Journal of Statistics 6, 1979), in the order given."""
    p = np.asarray(p_values, float)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted.tolist()
