"""Ctrl-C, and SIGTERM, by which schedulers and containers end a process: each stops a command in the same way.

Python raises KeyboardInterrupt wherever its main thread happens to be. Of a hundred signals some then do harm: a
library in C or C++ that has called Python makes another error of it ("sample.safetensors cannot be read"), or aborts; a
lock that was just taken is never released, and another thread waits for it for ever; an exception in a function that a
garbage collection calls is forgotten; and once a KeyboardInterrupt has left code that was made from a string, as data
classes are, Python ends itself with SIGINT, whatever was caught since. So it is raised in this project's own code and
where that waits, and elsewhere only after a while.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EXIT = 128 + signal.SIGTERM  # what a shell says of a process that the signal has ended
_SOON, _PATIENCE = 0.002, 10.0  # seconds until a signal that came in a bad moment comes again; until any moment will do
_OWN = {"__main__", "bench", "baselines", "protocols", "reports"}
_WAITING = {"concurrent", "multiprocessing", "ray", "selectors", "socket", "ssl", "subprocess", "threading"}
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
        _Deferred.since = None
        sys.unraisablehook = told
        for number, handler in before.items():
            signal.signal(number, handler)


class _Deferred:
    since: float | None = None  # when the signal came that has not been raised yet


def _interrupt(number: int, frame: FrameType | None) -> None:
    if number == signal.SIGTERM:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        received.set()
    pressed_again = number == signal.SIGINT and _Deferred.since is not None
    _Deferred.since = _Deferred.since or time.monotonic()
    if _bad_moment(frame) and not pressed_again and time.monotonic() < _Deferred.since + _PATIENCE:
        _again()
    else:
        _Deferred.since = None
        raise Interrupted


def _bad_moment(frame: FrameType | None) -> bool:
    """Whether an exception might do harm: in foreign code, at either end of a `with`, while a module is loaded."""
    if frame is None:
        return False
    package = str(frame.f_globals.get("__name__")).partition(".")[0]
    if package not in _OWN | _WAITING or frame.f_code.co_name in ("__enter__", "__exit__"):
        return True
    while frame is not None and not frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    return frame is not None


def _again() -> None:
    signal.setitimer(signal.ITIMER_REAL, _SOON)
