"""`--debug`: where every error was raised, plug-ins and worker processes included.

The environment variable is how worker processes hear of it.
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
    """Switch it on or off for this process and those that it starts."""
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
    """Whether it is switched on."""
    return bool(os.environ.get(VARIABLE))


def show(error: BaseException | None) -> None:
    """Print the traceback of an error, with those of its causes, where it is switched on."""
    if on() and error is not None:
        traceback.print_exception(error, file=sys.stderr)


def note(error: Exception) -> None:
    """Give an error that is about to leave its process the traceback along, which pickling drops."""
    if on():
        error.add_note("".join(traceback.format_exception(error)).rstrip())


class _Handler(logging.StreamHandler):
    """A type of its own, so that `begin` finds its handler again."""
