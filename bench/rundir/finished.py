"""Reading a finished run such that nothing in it that was changed or torn is taken for a number."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from bench.rundir.directory import RunDirectory
from bench.runtime.errors import UserError
from protocols import files

_MALFORMED = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turns what a malformed file of the run in `path` raises inside the block into a UserError of one line."""
    try:
        yield
    except _MALFORMED as error:
        reason = (str(error).splitlines() or [""])[0]
        raise UserError(f"{path} holds no run that can be read ({type(error).__name__}: {reason})") from None


def read(path: Path) -> tuple[dict[str, Any], pd.DataFrame]:
    """Manifest and ``samples.parquet`` of a finished run. Raises UserError where they are missing, torn or changed."""
    run = RunDirectory(path)
    manifest = run.manifest()
    if manifest is None or manifest.get("state") != "complete" or not (path / "samples.parquet").exists():
        raise UserError(f"{path} holds no finished run")
    samples = run.samples(manifest)
    if samples is None:
        raise UserError(f"{path}: samples.parquet is damaged or was changed after the run")
    return manifest, samples


def check_summary(path: Path, manifest: Mapping[str, Any]) -> None:
    """Raise UserError where ``summary.json`` is missing, torn or changed."""
    try:
        content = files.content(path / "summary.json")
    except OSError as error:
        raise UserError(f"{path}: summary.json cannot be read ({error.strerror or error})") from None
    if hashlib.sha256(content).hexdigest() != manifest.get("summary_sha256", hashlib.sha256(content).hexdigest()):
        raise UserError(f"{path}: summary.json is damaged or was changed after the run")
