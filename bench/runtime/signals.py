"""Handle Ctrl-C and SIGTERM (from schedulers and containers) alike: stop a command at a safe point.

The first signal is recorded, and checked where work can stop safely (`protocols.interruption`). A second Ctrl-C raises
at once in the main thread.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from protocols import interruption

# Exit codes as a shell reports them for a process that was ended by the signal.
EXIT: dict[int, int] = {signal.SIGINT: 130, signal.SIGTERM: 143}
MESSAGES: dict[int, str] = {signal.SIGINT: "stopped by Ctrl-C", signal.SIGTERM: "stopped by SIGTERM"}


def ending(request: interruption.Request) -> tuple[str, int]:
    """Return the message for a command that was stopped, and its exit code."""
    number = request.number or signal.SIGINT
    return MESSAGES[number], EXIT[number]


@contextmanager
def terminable() -> Iterator[interruption.Request]:
    """Record Ctrl-C and SIGTERM in the block; yield the object that holds the signal.

    If Ctrl-C is ignored, as for a background job of a shell, it stays ignored.
    """
    request = interruption.begin()

    def note(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and request.number:
            raise interruption.Interrupted
        request.number = request.number or number

    before = {}
    if threading.current_thread() is threading.main_thread():  # only the main thread may set handlers
        for number in (signal.SIGTERM, signal.SIGINT):
            if number == signal.SIGTERM or signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, note)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        interruption.end()
