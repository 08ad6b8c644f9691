"""Lock a folder for one process."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from bench.rundir.whole import replace
from bench.runtime.errors import UserError
from protocols import files

FILE, OWNER = ".lock", ".lock.json"


@contextmanager
def locked(folder: Path, what: str, option: str, within: Path | None = None) -> Iterator[None]:
    """Lock a folder for this process, and create it if needed.

    what, option: what uses a folder, and the option that names another one, for the message. within: the folder below
    it in which this process must be able to write; default: the folder itself.
    Raises UserError if it cannot be written or another process has locked it, and OSError if the disk is full.
    The operating system releases the lock when the process ends, however it ends.
    """
    owner = folder / OWNER
    written = within or folder
    try:
        written.mkdir(parents=True, exist_ok=True)
        probe = written / ".probe"
        probe.write_bytes(b"")
        probe.unlink(missing_ok=True)  # another process may have been faster
        lock = FileLock(folder / FILE)
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(
            f"another {what}{_owner(owner)} uses {folder}; wait for it or choose another {option}", code="locked"
        ) from None
    except OSError as error:
        if files.disk_full(error):
            raise
        raise UserError(f"cannot write to {folder}: {error.strerror or error}", code="unwritable-folder") from None
    try:
        replace(owner, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())
        yield
    finally:
        with suppress(OSError):
            owner.unlink(missing_ok=True)
        lock.release()


def _owner(file: Path) -> str:
    """Return the owner of a lock as `` (process 12 on host)``; empty if unknown."""
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
        return f" (process {int(facts['pid'])} on {facts['host']})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
