"""SIGTERM, by which schedulers and containers end a process: stops a command as Ctrl-C does."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EXIT = 128 + signal.SIGTERM  # what a shell says of a process that the signal has ended


class Terminated(BaseException):
    """SIGTERM has come; like KeyboardInterrupt no Exception, so that nobody takes it for a failed pair."""


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM raises `Terminated` in the block, once: a second one does not disturb what the first has begun."""
    if threading.current_thread() is not threading.main_thread():  # no other may set handlers
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated
