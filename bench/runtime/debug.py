"""`--debug`: print the traceback of every error, including plug-ins and worker processes.

Worker processes read the environment variable.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback

VARIABLE = "TALKING_HEAD_BENCH_DEBUG"
OPTION = "--debug"
HINT = f"; {OPTION} prints the traceback"
LOGGER = logging.getLogger("bench")


def begin(wanted: bool) -> None:
    """Switch tracebacks on or off for this process and the processes that it starts."""
    for handler in [one for one in LOGGER.handlers if isinstance(one, _Handler)]:
        LOGGER.removeHandler(handler)
    if not wanted:
        os.environ.pop(VARIABLE, None)
        LOGGER.setLevel(logging.NOTSET)
        return
    os.environ[VARIABLE] = "1"
    LOGGER.addHandler(_Handler(sys.stderr))
    LOGGER.setLevel(logging.DEBUG)


def on() -> bool:
    """Return whether tracebacks are switched on."""
    return bool(os.environ.get(VARIABLE))


def show(error: BaseException | None) -> None:
    """Print the traceback of an error and its causes, if switched on."""
    if on() and error is not None:
        traceback.print_exception(error, file=sys.stderr)


def note(error: Exception) -> None:
    """Add the traceback to an error as a note, since pickling drops it."""
    if on():
        error.add_note("".join(traceback.format_exception(error)).rstrip())


class _Handler(logging.StreamHandler):
    """A separate type, so that `begin` can find its handler."""
