"""Write files of a run atomically, and recognize damaged ones."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd

from bench.rundir.encoding import to_parquet
from protocols import files

HASH = 16  # hex digits of a SHA-256 that are kept


def replace(file: Path, content: bytes) -> None:
    """Write a file atomically, flushed to the disk."""
    with files.replacing(file, flush=True) as temporary:
        temporary.write_bytes(content)


def write_parquet(file: Path, rows: pd.DataFrame) -> None:
    """Write a table atomically."""
    replace(file, to_parquet(rows))


def write_png(file: Path, png: bytes) -> None:
    """Write a frame, encoded by `to_png`, atomically.

    It is not flushed, which would double the time: its checksums show damage by a power cut (see `RunDirectory`).
    """
    with files.replacing(file) as temporary:
        temporary.write_bytes(png)


def digest(content: bytes) -> str:
    """Return the first digits of the SHA-256 of these bytes."""
    return hashlib.sha256(content).hexdigest()[:HASH]


def video_hash(content: bytes) -> str:
    """Return the hash of a video as in its clip's row; empty for no video."""
    return digest(content) if content else ""


def video_hash_of(file: Path) -> str:
    """Return the `video_hash` of a file."""
    return video_hash(file.read_bytes()) if file.is_file() else ""
