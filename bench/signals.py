"""Ctrl-C, and SIGTERM, by which schedulers and containers end a process: each stops a command in the same way.

Python raises KeyboardInterrupt wherever its main thread happens to be, and now and then that goes wrong: a lock that
was just taken is never released, and another thread waits for it for ever; a library written in C++ that is being
loaded aborts the process; an exception in a function that a garbage collection calls is printed and forgotten; and once
a KeyboardInterrupt has left code that was made from a string, as data classes are, Python ends itself with SIGINT,
whatever was caught since.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EXIT = 128 + signal.SIGTERM  # what a shell says of a process that the signal has ended
_SOON = 0.002  # seconds until a signal that came in a bad moment comes again
received = threading.Event()  # whether it was SIGTERM: what Ray makes of an exception tells Ctrl-C alone from others


class Interrupted(KeyboardInterrupt):
    """A signal came. Python's own ending with SIGINT asks for KeyboardInterrupt itself."""


@contextmanager
def terminable() -> Iterator[None]:
    """Ctrl-C and SIGTERM raise `Interrupted` in the block; SIGTERM once, a second does not disturb what one has begun.

    A Ctrl-C that is ignored, as in a shell's background, stays so. SIGALRM is in use meanwhile.
    """
    if threading.current_thread() is not threading.main_thread():  # no other may set handlers
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGALRM, signal.SIGINT)}
    told = sys.unraisablehook
    for number, handler in before.items():
        if number != signal.SIGINT or handler is signal.default_int_handler:
            signal.signal(number, _interrupt)
    sys.unraisablehook = lambda forgotten: _again() if forgotten.exc_type is Interrupted else told(forgotten)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.unraisablehook = told
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    if number == signal.SIGTERM:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        received.set()
    if _bad_moment(frame):
        _again()
    else:
        raise Interrupted


def _bad_moment(frame: FrameType | None) -> bool:
    """Whether an exception might do harm: in the first and last steps of a `with`, and while a module is loaded."""
    if frame is not None and frame.f_code.co_name in ("__enter__", "__exit__"):
        return True
    while frame is not None and not frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    return frame is not None


def _again() -> None:
    signal.setitimer(signal.ITIMER_REAL, _SOON)
