"""The run directory: everything known about one evaluation, written so that a crash loses nothing that was finished."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
from filelock import FileLock, Timeout
from PIL import Image

from bench.errors import UserError

SCHEMA = 1


def safe_name(label: str) -> str:
    """A label as a folder name: other characters than letters, digits and ``._+-`` become ``_``."""
    return re.sub(r"[^A-Za-z0-9._+-]", "_", label).lstrip(".") or "_"


class RunDirectory:
    """One run's folder.

    While the run goes on, each finished batch is a small parquet file (a shard) in ``work/<model>/`` with its frames
    beside it; every file is written under another name first and then renamed, so that what has its final name
    is whole.
    """

    def __init__(self, path: Path):
        self.path = path
        self.work = path / "work"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process. Raises UserError if it cannot be written or another run holds it."""
        try:
            self.work.mkdir(parents=True, exist_ok=True)
            probe = self.work / ".probe"
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            raise UserError(f"cannot write to {self.path}: {error.strerror or error}") from None
        lock = FileLock(self.path / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise UserError(f"another run is at work in {self.path}; wait for it or choose another --name") from None
        try:
            yield
        finally:
            lock.release()

    def manifest(self) -> dict[str, Any] | None:
        """The manifest, or None where there is none yet. Raises UserError if it is not one."""
        file = self.path / "manifest.json"
        if not file.exists():
            return None
        try:
            manifest = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"{file} is not a readable manifest: {error}") from None
        if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
            raise UserError(f"{file} is not a manifest of schema {SCHEMA}")
        return manifest

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Write a JSON file into the run, whole or not at all."""
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
        replace(self.path / name, text.encode("utf-8"))

    def shards(self, model: str) -> list[pd.DataFrame]:
        """The finished batches of a model, unreadable ones left out (they are computed again)."""
        frames = []
        for file in sorted((self.work / safe_name(model)).glob("*.parquet")):
            try:
                frames.append(pd.read_parquet(file))
            except (OSError, ValueError, pyarrow.ArrowException):
                file.unlink(missing_ok=True)
        return frames

    def write_shard(self, model: str, name: str, rows: pd.DataFrame) -> None:
        """Keep a finished batch."""
        write_parquet(self.work / safe_name(model) / f"{name}.parquet", rows)

    def frame_file(self, model: str, pair: str) -> Path:
        """Where a generated frame is kept while the run goes on."""
        return self.work / safe_name(model) / "frames" / f"{pair}.png"

    def clear_work(self) -> None:
        """Remove shards and frames; called once samples, summary and pictures are written."""
        shutil.rmtree(self.work, ignore_errors=True)


def replace(file: Path, content: bytes) -> None:
    """Write a file under another name, flush it to disk, then give it its name."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)


def write_parquet(file: Path, rows: pd.DataFrame) -> None:
    """Write a table whole or not at all."""
    sink = pyarrow.BufferOutputStream()
    rows.to_parquet(sink, index=False)
    replace(file, sink.getvalue().to_pybytes())


def write_png(file: Path, frame: np.ndarray) -> None:
    """Write an ``(H, W, 3)`` uint8 RGB frame, whole or not at all; fast rather than small compression."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.tmp")
    Image.fromarray(frame).save(temporary, format="PNG", compress_level=1)
    os.replace(temporary, file)
