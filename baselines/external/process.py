"""Call an external program: its command, its time limit, its last message."""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from baselines.predictor import ModelError
from protocols import interruption
from protocols.errors import BenchError

TIMEOUT = "TALKING_HEAD_BENCH_CMD_TIMEOUT"
_DEFAULT_SECONDS = 1800.0
_LONGEST = 500  # characters of a program's last message


class ProgramError(BenchError):
    """The program failed. Not a RuntimeError, which could be taken for an error of this process's device."""

    code = "program-failed"


class Program:
    """A command, called without a shell.

    places: placeholders that become paths at each call; all are appended to a command that has none of them.
    A call may take `TIMEOUT` seconds (environment variable; 1800 if unset). Raises ModelError for a command that cannot
    be run.
    """

    def __init__(self, command: str, places: tuple[str, ...]):
        self.command = command
        try:
            self.arguments = shlex.split(command)
        except ValueError as error:
            raise ModelError(f"cmd:{command}: {str(error).lower()}", code="bad-value") from None
        if shutil.which(self.arguments[0]) is None:
            raise ModelError(
                f"cmd:{command}: program {self.arguments[0]} is not found or not executable", code="program-not-found"
            )
        if not any(place in argument for argument in self.arguments for place in places):
            self.arguments += places
        self.seconds = _seconds()

    @property
    def name(self) -> str:
        return self.arguments[0]

    def call(self, paths: Mapping[str, Path], folder: Path) -> str | None:
        """Run the command with `paths` for the placeholders; return a message if it took too long, else None.

        folder: of the paths; also for the log. Messages leave out its random name, so that equal runs have equal
        tables. Raises ProgramError if the exit code is not 0.
        """
        arguments = self.arguments
        for place, path in paths.items():
            arguments = [argument.replace(place, str(path)) for argument in arguments]
        log = folder / "stderr.txt"
        with log.open("wb") as stderr:
            # A new session, so that the program's children end with it; files instead of pipes, so that leftover
            # processes cannot block this one.
            try:
                process = subprocess.Popen(
                    arguments,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=stderr,
                    start_new_session=True,
                )
            except OSError as error:
                known = isinstance(error, (FileNotFoundError, PermissionError))  # also of its interpreter
                if not known and error.errno not in (errno.ENOEXEC, errno.E2BIG):
                    raise
                raise ModelError(
                    f"cmd:{self.command}: cannot be run ({error.strerror})", code="program-not-found"
                ) from None
            try:
                code = interruption.exit_code(process, self.seconds)
            except subprocess.TimeoutExpired:
                return f"{self.name} took longer than {self.seconds:g} s ({TIMEOUT})"
            finally:
                _end(process)
        if code:
            said = _last_line(log).replace(f"{folder}{os.sep}", "")
            raise ProgramError(f"{self.name} ended with code {code}: {said or 'no message'}")
        return None


def _last_line(log: Path) -> str:
    """Return the last line of a log of any length, or its end."""
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - 4 * _LONGEST))
        lines = stream.read().decode(errors="replace").strip().splitlines()
    return lines[-1][-_LONGEST:] if lines else ""


def _end(process: subprocess.Popen) -> None:
    """End the program's whole process group, also after its own end, since it may have left children."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _seconds() -> float:
    text = os.environ.get(TIMEOUT, "")
    try:
        seconds = float(text) if text else _DEFAULT_SECONDS
    except ValueError:
        seconds = -1.0
    if not seconds > 0:
        raise ModelError(f"{TIMEOUT} must be a number of seconds above 0, not {text}", code="bad-value")
    return seconds
