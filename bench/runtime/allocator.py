"""Settings of the C library's memory allocator: reuse freed memory, and return it to the system from time to time."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from functools import cache

# Parameters of glibc's mallopt: free memory at the heap's end, largest block on the heap, number of heaps.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_AT_END, _BLOCK = 1 << 28, 1 << 25
# Arrow's own allocator does not return freed memory; pyarrow reads this name at its first import.
ARROW = "ARROW_DEFAULT_MEMORY_POOL"


def reuse_freed_memory() -> None:
    """Make glibc reuse freed memory; no effect with other C libraries. Call it at the start of a process.

    By default glibc requests new memory for a tensor of several megabytes, which the system clears page by page, and
    returns it when it is freed. This takes 5 to 14 % of the CPU time of FOMM, TPSM and MCNet (sample networks).
    """
    os.environ.setdefault(ARROW, "system")
    mallopt = _function("mallopt")
    mallopt(_TRIM_THRESHOLD, _AT_END)
    mallopt(_MMAP_THRESHOLD, _BLOCK)
    # By default each thread has its own heap, and cannot reuse what another thread has freed. Two cores share one heap:
    # X2Face, FOMM and TPSM are as fast as with two heaps, and a run's memory varies half as much.
    mallopt(_ARENA_MAX, max(1, (os.cpu_count() or 1) // 2))


def allocate_blas_buffer() -> None:
    """Make NumPy's OpenBLAS allocate its working memory now.

    Otherwise it allocates at the first larger product, and ends the process if it fails: for example after all pairs,
    when the summary is computed.
    """
    import numpy as np

    ones = np.ones((256, 256))
    ones @ ones


def release_freed_memory() -> None:
    """Return free pages to the system (glibc only); takes about a millisecond.

    Small objects of a batch, such as its rows, are scattered between freed images. The allocator places the next images
    elsewhere, so that a run would grow by about a megabyte per pair for hundreds of pairs.
    """
    _function("malloc_trim")(0)


@cache
def _function(name: str) -> Callable[..., object]:
    return getattr(ctypes.CDLL(None), name, lambda *_: None)
