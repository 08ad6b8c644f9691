"""A request to stop, by Ctrl-C or SIGTERM: a flag that long work reads between two steps, and while it waits.

An exception that is raised at any moment does harm now and then: a library in C++ that has called Python makes another
error of it or aborts, a lock that was just taken is never released. So a signal's handler (`bench.runtime.signals`)
only sets the flag.
"""

from __future__ import annotations

import subprocess
import time
from concurrent.futures import Future, wait
from typing import TypeVar

POLL = 0.1  # seconds between two looks at the flag while something else is waited for

Result = TypeVar("Result")


class Interrupted(KeyboardInterrupt):
    """A signal came. Python's own ending with SIGINT asks for KeyboardInterrupt itself."""


class Request:
    """number: of the signal that came; 0 while none has."""

    number = 0


_requests: list[Request] = []  # of the blocks in which signals are noted


def begin() -> Request:
    """Note requests from now on until `end`; returns what holds them. A block within another shares its request."""
    _requests.append(_requests[-1] if _requests else Request())
    return _requests[-1]


def end() -> None:
    """Leave the block of the latest `begin`."""
    _requests.pop()


def asked() -> bool:
    """Whether a signal has come."""
    return bool(_requests and _requests[-1].number)


def check() -> None:
    """Raise Interrupted where a signal has come."""
    if asked():
        raise Interrupted


def result(future: Future[Result], seconds: float | None = None) -> Result:
    """Return the result of a future. Raises TimeoutError after `seconds`, and Interrupted where a signal comes."""
    last = None if seconds is None else time.monotonic() + seconds
    while not future.done():
        check()
        left = POLL if last is None else last - time.monotonic()
        if left <= 0:
            raise TimeoutError
        wait([future], min(POLL, left))
    return future.result()


def exit_code(process: subprocess.Popen[bytes], seconds: float) -> int:
    """Wait for a program. Raises subprocess.TimeoutExpired after `seconds`, and Interrupted where a signal comes."""
    last = time.monotonic() + seconds
    while True:
        check()
        left = last - time.monotonic()
        try:
            return process.wait(max(0.0, min(POLL, left)))
        except subprocess.TimeoutExpired:
            if left <= POLL:
                raise
