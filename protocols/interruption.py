"""Requests to stop, by Ctrl-C or SIGTERM: a flag that long work checks between steps and while it waits.

An exception at an arbitrary moment can do harm: a C++ library that called Python turns it into another error or aborts,
and a lock that was just taken is never released. So the signal handler (`bench.runtime.signals`) only sets the flag.
"""

from __future__ import annotations

import subprocess
import time
from concurrent.futures import Future, wait
from typing import TypeVar

POLL = 0.1  # seconds between two checks of the flag while waiting

Result = TypeVar("Result")


class Interrupted(KeyboardInterrupt):
    """A signal came. A KeyboardInterrupt, so that Python exits as it does for SIGINT."""


class Request:
    """number: of the signal that came; 0 if none has."""

    number = 0


_requests: list[Request] = []  # one per active block, innermost last


def begin() -> Request:
    """Start a block that records requests until `end`; return its Request. A nested block shares the outer one's."""
    _requests.append(_requests[-1] if _requests else Request())
    return _requests[-1]


def end() -> None:
    """End the block of the latest `begin`."""
    _requests.pop()


def requested() -> bool:
    """Return whether a signal has come."""
    return bool(_requests and _requests[-1].number)


def check() -> None:
    """Raise Interrupted if a signal has come."""
    if requested():
        raise Interrupted


def result(future: Future[Result], seconds: float | None = None) -> Result:
    """Return the result of a future. Raises TimeoutError after `seconds`, and Interrupted if a signal comes."""
    last = None if seconds is None else time.monotonic() + seconds
    while not future.done():
        check()
        left = POLL if last is None else last - time.monotonic()
        if left <= 0:
            raise TimeoutError
        wait([future], min(POLL, left))
    return future.result()


def exit_code(process: subprocess.Popen[bytes], seconds: float) -> int:
    """Wait for a program and return its exit code.

    Raises subprocess.TimeoutExpired after `seconds`, and Interrupted if a signal comes.
    """
    last = time.monotonic() + seconds
    while True:
        check()
        left = last - time.monotonic()
        try:
            return process.wait(max(0.0, min(POLL, left)))
        except subprocess.TimeoutExpired:
            if left <= POLL:
                raise
