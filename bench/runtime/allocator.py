"""Memory that the process has freed: kept for the next tensors, and given back to the system now and then."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from functools import cache

# Of glibc's mallopt: how much may be free at the heap's end, how large a block of the heap may be, how many heaps.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_AT_END, _BLOCK = 1 << 28, 1 << 25
# Arrow's own allocator keeps what was freed; the name is read when pyarrow is first imported.
ARROW = "ARROW_DEFAULT_MEMORY_POOL"


def keep_freed() -> None:
    """Let freed memory be used again, where the C library can be told so (glibc). For the start of a process.

    By default a tensor of some megabytes is new memory, which the system has to clear page by page, and goes back to it
    when it is freed: 5 to 14 % of the processor time of FOMM, TPSM and MCNet (sample networks).
    """
    os.environ.setdefault(ARROW, "system")
    mallopt = _function("mallopt")
    mallopt(_TRIM_THRESHOLD, _AT_END)
    mallopt(_MMAP_THRESHOLD, _BLOCK)
    # Else each thread has a heap of its own, and uses nothing that another one has freed. Two cores share one: X2Face,
    # FOMM and TPSM are as fast as with two, and a run's memory moves half as much.
    mallopt(_ARENA_MAX, max(1, (os.cpu_count() or 1) // 2))


def take_blas_buffer() -> None:
    """Have NumPy's OpenBLAS take its working memory now, as long as there is some.

    It takes it at the first larger product, and ends the process where it gets none: after all pairs, say, when the
    summary is made.
    """
    import numpy as np

    ones = np.ones((256, 256))
    ones @ ones


def give_back() -> None:
    """Return whole free pages to the system where the C library can do that (glibc); takes about a millisecond.

    What a batch leaves behind, such as its rows, lies scattered among large images that are gone. The allocator finds
    room for the next images elsewhere, and a run would grow by about a megabyte a pair for hundreds of pairs.
    """
    _function("malloc_trim")(0)


@cache
def _function(name: str) -> Callable[..., object]:
    return getattr(ctypes.CDLL(None), name, lambda *_: None)
