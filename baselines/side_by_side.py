"""Pairs side by side on a processor's cores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Part = TypeVar("Part")
Result = TypeVar("Result")


def side_by_side(function: Callable[[Part], Result], parts: Sequence[Part]) -> list[Result]:
    """``[function(part) for part in parts]``, as many at once as torch uses threads, and torch on one thread in each.

    Cores that share a pair wait for one another after every layer, a tenth of the time of small networks on two cores.
    A single part takes one thread, too: the number of threads moves rounding, and a pair's numbers must depend neither
    on its batch nor on the number of cores. The first error is raised again; grad mode is the new thread's own.
    """
    threads = min(len(parts), torch.get_num_threads())
    with ThreadPoolExecutor(threads, initializer=_alone) as pool:
        return list(pool.map(function, parts))


def _alone() -> None:
    torch.set_num_threads(1)
    # The rims of keypoints' Gaussians are numbers below 1e-38, with which a processor takes four times as long.
    torch.set_flush_denormal(True)
