"""Read and write files that users name: completely, and only regular files."""

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
    """Return all bytes of a file.

    Raises OSError if it cannot be read, is not a regular file (devices and pipes may never end), or has more than
    `largest` bytes; nothing is read then.
    """
    # Without O_NONBLOCK, opening a named pipe waits for a writer.
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        if status.st_size > largest:
            raise OSError(errno.EFBIG, f"{status.st_size} bytes, more than {largest >> 20} MiB", str(path))
        return stream.read()


def text(path: Path, encoding: str = "utf-8", largest: int = LARGEST) -> str:
    """Return a text file with line ends as newlines. Raises OSError like `content`, and UnicodeDecodeError."""
    return content(path, largest).decode(encoding).replace("\r\n", "\n").replace("\r", "\n")


def disk_full(error: OSError) -> bool:
    """Return whether the error means a full disk, which is not a mistake in the file's name."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Add the file's name to system errors in this block; those of writing and closing lack it."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def place(path: Path) -> Path:
    """Return the place of a file to be written under this name: links are followed.

    Raises OSError if something else than a regular file is there, so that a file never replaces ``/dev/null``.
    """
    real = Path(os.path.realpath(path))
    if real.exists() and not (real.is_file() or real.is_dir()):  # a folder raises its own error later
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return real


@contextmanager
def replacing(path: Path, *, flush: bool = False) -> Iterator[Path]:
    """Yield the name of a temporary file that replaces `path` when the block ends, completely or not at all.

    It is in the folder of `path`, which is created; links are followed. After an error it is removed.
    flush: write it to the disk before renaming, and then the name, so that a power cut cannot damage the file; this
    takes as long as writing.
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
        with suppress(OSError):  # the original error is the one to report
            temporary.unlink(missing_ok=True)
    if flush:
        with suppress(OSError):  # not every file system can flush a folder
            _flush(target.parent)


def remove_unfinished(folder: Path) -> None:
    """Remove temporary files of `replacing` that a killed process left below a folder. No process may use it."""
    for left in list(folder.glob("**/.*.tmp")):
        left.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256(file: Path) -> str:
    """Return a file's SHA-256 in hex digits; unchanged files are not read again."""
    status = file.stat()
    return _sha256(str(file), status.st_size, status.st_mtime_ns)


def short_hash(file: Path) -> str:
    """Return the first 12 hex digits of a file's SHA-256."""
    return sha256(file)[:12]


@lru_cache(maxsize=64)
def _sha256(file: str, size: int, changed: int) -> str:
    """Cache by size and modification time, so that a replaced file is read again."""
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
