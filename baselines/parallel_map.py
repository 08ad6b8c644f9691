"""Compute pairs in parallel on a processor's cores."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache
from typing import TypeVar

import torch

from baselines.arithmetic import prepare_vector_functions

Part = TypeVar("Part")
Result = TypeVar("Result")


def parallel_map(function: Callable[[Part], Result], parts: Sequence[Part]) -> list[Result]:
    """Return ``[function(part) for part in parts]``, computed by as many threads as torch uses, one part per thread.

    Cores that share a pair wait for one another after every layer: a tenth of the time for small networks on two cores.
    A single part also gets one thread only: the number of threads changes rounding, and a pair's numbers must depend
    neither on its batch nor on the number of cores. Raises the first error of a part. The caller's grad mode is not
    inherited. Threads are kept for the next call: new ones, with new memory, take a tenth of X2Face's time.
    """
    if getattr(_this, "is_alone", False):  # in one of the threads, which must not wait for the others
        return [function(part) for part in parts]
    futures: list[Future[Result]] = []
    try:
        pool = _pool(torch.get_num_threads())
        futures += (pool.submit(function, part) for part in parts)
        return [future.result() for future in futures]
    finally:  # after an error, too, no part may still run
        for future in futures:
            future.cancel()
        wait(futures)
        futures.clear()  # breaks the cycle of futures and error, which would keep memory in use


_this = threading.local()


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    prepare_vector_functions()
    _renew_after_fork()
    return ThreadPoolExecutor(threads, "pair", initializer=_alone)


def _alone() -> None:
    _this.is_alone = True
    torch.set_num_threads(1)
    # The tails of keypoints' Gaussians are below 1e-38: a processor takes four times as long for such numbers.
    torch.set_flush_denormal(True)


@cache
def _renew_after_fork() -> None:
    """Let a forked child make its own threads: it inherits none."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_pool.cache_clear)
