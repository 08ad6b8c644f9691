"""What the command line tells of an error of the system: the machine's state, a name, or a bug of this program."""

from __future__ import annotations

import errno

import pytest

from bench.cli import main as cli
from bench.runtime.errors import Stopped, UserError, of_machine, of_name


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 1),
        (OSError(errno.EROFS, "Read-only file system", "x.json"), 1),
        (FileNotFoundError(errno.ENOENT, "No such file", "x.json"), 1),
        (ConnectionResetError(errno.ECONNRESET, "reset"), 1),
        (OSError(errno.ENAMETOOLONG, "File name too long", "x.json"), 2),
        (OSError(errno.EINVAL, "not a regular file", "x.json"), 2),
        (OSError(errno.EINVAL, "Invalid argument"), None),
        (FileNotFoundError(errno.ENOENT, "No such file"), None),
        (OSError(errno.EBADF, "Bad file descriptor"), None),
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
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr("bench.info.listing.table", fails)
    with pytest.raises(OSError, match="descriptor"):
        bench("list", "models")


def test_the_code_of_what_ended_a_command(bench):
    assert bench("list", "nothing").error == "unknown-choice"
    assert bench("list", "models").error is None
