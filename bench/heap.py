"""Memory that the process has freed, given back to the system."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache


def give_back() -> None:
    """Return whole free pages to the system where the C library can do that (glibc); takes about a millisecond.

    What a batch leaves behind, such as its rows, lies scattered among large images that are gone. The allocator finds
    room for the next images elsewhere, and a run would grow by about a megabyte a pair for hundreds of pairs.
    """
    _trim()(0)


@cache
def _trim() -> Callable[[int], object]:
    return getattr(ctypes.CDLL(None), "malloc_trim", lambda _: None)
