"""Reading and writing files that users name: whole, and only what is a file."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

LARGEST = 256 << 20  # bytes of a list or of settings; a list of a million pairs has less


def content(path: Path, largest: int = LARGEST) -> bytes:
    """All bytes of a file.

    Raises OSError where it cannot be read, for what would never end or never begin (devices, named pipes), and for more
    than `largest` bytes, before any of them is read.
    """
    # Without O_NONBLOCK, opening a named pipe waits until somebody writes into it.
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        if status.st_size > largest:
            raise OSError(errno.EFBIG, f"{status.st_size} bytes, more than {largest >> 20} MiB", str(path))
        return stream.read()


def text(path: Path, encoding: str = "utf-8", largest: int = LARGEST) -> str:
    """A text file, its line ends made single newlines. Raises OSError as `content` does, and UnicodeDecodeError."""
    return content(path, largest).decode(encoding).replace("\r\n", "\n").replace("\r", "\n")


def disk_full(error: OSError) -> bool:
    """Whether it was for want of room: no mistake in the name that was given."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Errors of the system in this block say which file they are about; those of writing and closing do not."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def place(path: Path) -> Path:
    """Where a file that is to appear under this name belongs: behind links.

    Raises OSError where something is there that is no regular file: to put a file in place of ``/dev/null`` would be
    the end of it.
    """
    real = Path(os.path.realpath(path))
    if real.exists() and not (real.is_file() or real.is_dir()):  # a folder says so itself
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return real


@contextmanager
def replacing(path: Path, *, flush: bool = False) -> Iterator[Path]:
    """Yield the name of a temporary file that takes the place of `path` when the block ends: whole or not at all.

    It lies in the folder of `path`, which is made, behind links; after an error nothing is left of it.
    flush: to the disk before it gets its name, and the name after that, so that a power cut cannot tear the file; takes
    as long as writing.
    Raises OSError, with the name of the file.
    """
    target = place(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with named(path):
            yield temporary
            if flush:
                _flush(temporary)
        os.replace(temporary, target)
    finally:
        with suppress(OSError):  # the error that led here is the one to tell
            temporary.unlink(missing_ok=True)
    if flush:
        with suppress(OSError):  # not every file system can flush a folder
            _flush(target.parent)


def remove_unfinished(folder: Path) -> None:
    """Remove what `replacing` left below a folder in a process that was killed; none may be at work in it."""
    for left in list(folder.glob("**/.*.tmp")):
        left.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256(file: Path) -> str:
    """A file's SHA-256 in hex digits; one that did not change since is not read again."""
    status = file.stat()
    return _sha256(str(file), status.st_size, status.st_mtime_ns)


def short_hash(file: Path) -> str:
    """The first 12 hex digits of a file's SHA-256."""
    return sha256(file)[:12]


@lru_cache(maxsize=64)
def _sha256(file: str, size: int, changed: int) -> str:
    """Size and time of change are part of the key, so that a replaced file is read again."""
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
