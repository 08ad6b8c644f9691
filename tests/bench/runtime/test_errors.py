"""What the command line tells of an error of the system: the machine's state, a name, or a bug of this program."""

from __future__ import annotations

import errno
import os

import pytest

from bench.cli import main as cli
from bench.runtime.errors import Stopped, UserError, of_machine, of_name


def of_system(number: int, *file: str) -> OSError:
    """The error that the system raises, with its text; the subclass of OSError follows from the number."""
    return OSError(number, os.strerror(number), *file)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (of_system(errno.ENOSPC), 1),
        (of_system(errno.EROFS, "x.json"), 1),
        (of_system(errno.ENOENT, "x.json"), 1),
        (of_system(errno.ECONNRESET), 1),
        (of_system(errno.ENAMETOOLONG, "x.json"), 2),
        (of_system(errno.EINVAL, "x.json"), 2),
        (of_system(errno.EINVAL), None),
        (of_system(errno.ENOENT), None),
        (of_system(errno.EBADF), None),
        (OSError("a library's own"), None),
        (Stopped("x", code="device-failed"), 1),
        (UserError("x", code="bad-value"), 2),
        (MemoryError(), 1),
        (KeyError("x"), None),
    ],
    ids=repr,
)
def test_how_a_command_ends(error, code):
    ended = cli._ending(error)
    assert (ended and ended[1]) == code
    assert ended is None or "resume" not in ended[0]  # a run says so itself
    if isinstance(error, OSError):
        assert (of_machine(error), of_name(error)) == (code == 1, code == 2)


def test_a_bug_is_not_told_as_a_full_disk(bench, monkeypatch):
    def fails(*_, **__):
        raise of_system(errno.EBADF)

    monkeypatch.setattr("bench.info.listing.table", fails)
    with pytest.raises(OSError, match="descriptor"):
        bench("list", "models")


def test_the_code_of_what_ended_a_command(bench):
    assert bench("list", "nothing").error == "unknown-choice"
    assert bench("list", "models").error is None
