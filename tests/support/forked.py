"""`python -m bench` in processes forked from one that has loaded the libraries: a start takes no seconds of imports.

For what happens to a run in mid-work: signals, kills, locks. What belongs to a start is tested with an interpreter of
its own.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["bench.cli.main", "bench.run.command", "reports.run.html"])


class Forked:
    """A started `bench`, with what tests use of `subprocess.Popen`; leaving its block kills it."""

    def __init__(self, *arguments: object, folder: Path, environment: Mapping[str, str] = os.environ) -> None:
        file, name = tempfile.mkstemp(suffix=".txt")
        os.close(file)
        self._printed = Path(name)
        work = (["bench", *map(str, arguments)], str(folder), dict(environment), name)
        self._process = _context.Process(target=_work, args=work)
        self._process.start()
        self.pid: int = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float) -> int:
        """Exit code; raises subprocess.TimeoutExpired after `timeout` seconds."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("bench", timeout)
        return self.returncode

    def printed(self) -> str:
        """All that it has printed so far."""
        return self._printed.read_text()

    def end(self, timeout: float) -> str:
        """All that it prints until its end, for which `timeout` seconds are waited."""
        self.wait(timeout)
        return self.printed()

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def __enter__(self) -> Forked:
        return self

    def __exit__(self, *_: object) -> None:
        self.send_signal(signal.SIGKILL)
        self._process.join()
        self._printed.unlink()


def _work(command: list[str], folder: str, environment: dict[str, str], printed: str) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    file = os.open(printed, os.O_WRONLY | os.O_APPEND)
    for number in (1, 2):
        os.dup2(file, number)
    sys.argv = command
    runpy.run_module("bench", run_name="__main__", alter_sys=True)
