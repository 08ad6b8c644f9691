"""How a model's batches are shared out among workers."""

from __future__ import annotations

LOST = "a Ray worker was lost; the other workers take its pairs"  # the notice in the manifest begins so
SHARD = 8  # batches that a worker is given at once, at most
DEPTH = 2  # shards that a worker has: one at work, one to go on with


def cut(n: int, workers: int) -> list[range]:
    """`n` batches in shards that get smaller towards the end, so that the workers end together.

    Each shard is a share of what is left then (guided self-scheduling: Polychronopoulos and Kuck, IEEE Trans. Computers
    1987), and half of what that asks for since a worker has `DEPTH` of them.
    """
    shards, start = [], 0
    while start < n:
        size = min(max((n - start) // (2 * DEPTH * workers), 1), SHARD)
        shards.append(range(start, start + size))
        start += size
    return shards
