"""Split a model's batches among workers."""

from __future__ import annotations

LOST = "a Ray worker was lost; the other workers take its pairs"  # the notice in the manifest begins so
SHARD = 8  # batches in a shard, at most
DEPTH = 2  # shards of a worker: one in work, one waiting


def cut(n: int, workers: int) -> list[range]:
    """Cut `n` batches into shards that get smaller towards the end, so that the workers end together.

    Each shard is a share of the rest (guided self-scheduling: Polychronopoulos and Kuck, IEEE Trans. Computers 1987),
    halved because a worker has `DEPTH` of them.
    """
    shards, start = [], 0
    while start < n:
        size = min(max((n - start) // (2 * DEPTH * workers), 1), SHARD)
        shards.append(range(start, start + size))
        start += size
    return shards
