"""Ctrl-C, and SIGTERM, by which schedulers and containers end a process: each stops a command in the same way.

The first one is noted, and read where work can stop without harm (`protocols.interruption`); a Ctrl-C after that raises
at once, wherever the main thread is.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from protocols import interruption

# Exit codes are what a shell says of a process that the signal has ended.
EXIT: dict[int, int] = {signal.SIGINT: 130, signal.SIGTERM: 143}
SAID: dict[int, str] = {signal.SIGINT: "stopped by Ctrl-C", signal.SIGTERM: "stopped by SIGTERM"}


def ending(request: interruption.Request) -> tuple[str, int]:
    """The line that tells how a command ended, and its exit code."""
    number = request.number or signal.SIGINT
    return SAID[number], EXIT[number]


@contextmanager
def terminable() -> Iterator[interruption.Request]:
    """Note Ctrl-C and SIGTERM in the block; yields what holds the signal that came.

    A Ctrl-C that is ignored, as in a shell's background, stays so.
    """
    request = interruption.begin()

    def note(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and request.number:
            raise interruption.Interrupted
        request.number = request.number or number

    before = {}
    if threading.current_thread() is threading.main_thread():  # no other may set handlers
        for number in (signal.SIGTERM, signal.SIGINT):
            if number == signal.SIGTERM or signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, note)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        interruption.end()
