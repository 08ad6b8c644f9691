"""Files of a run as they are written, whole or not at all, and how to recognize a torn one."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd

from bench.rundir.encoding import to_parquet
from protocols import files

HASH = 16  # hex digits of a SHA-256 that are kept


def replace(file: Path, content: bytes) -> None:
    """Write a file whole or not at all, flushed to the disk."""
    with files.replacing(file, flush=True) as temporary:
        temporary.write_bytes(content)


def write_parquet(file: Path, rows: pd.DataFrame) -> None:
    """Write a table whole or not at all."""
    replace(file, to_parquet(rows))


def write_png(file: Path, png: bytes) -> None:
    """Write a frame, encoded by `to_png`, whole or not at all.

    Not flushed, which would take as long again: a power cut may tear it, and its checksums tell (see `RunDirectory`).
    """
    with files.replacing(file) as temporary:
        temporary.write_bytes(png)


def digest(content: bytes) -> str:
    """The beginning of the SHA-256 of these bytes."""
    return hashlib.sha256(content).hexdigest()[:HASH]


def video_hash(content: bytes) -> str:
    """What a clip's row says of its video; empty for none."""
    return digest(content) if content else ""


def video_hash_of(file: Path) -> str:
    """The `video_hash` of what lies there."""
    return video_hash(file.read_bytes()) if file.is_file() else ""
