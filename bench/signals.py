"""SIGTERM, by which schedulers and containers end a process: stops a command just as Ctrl-C does."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EXIT = 128 + signal.SIGTERM  # what a shell says of a process that the signal has ended
received = threading.Event()  # whether it was SIGTERM: what Ray makes of an exception tells Ctrl-C alone from others


class Terminated(KeyboardInterrupt):
    """SIGTERM came.

    Python ends itself with SIGINT, whatever was caught and said, once a KeyboardInterrupt has left code that was made
    from a string, as data classes are. It asks for that very class.
    """


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
    received.set()
    raise Terminated
