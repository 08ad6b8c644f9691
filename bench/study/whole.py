"""Create a folder completely or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.runtime.errors import UserError
from protocols import files


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Yield a folder that is renamed to `out` when the block ends. Raises UserError if `out` exists, not empty."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} already exists, and is not overwritten: choose another folder", code="folder-in-use")
    partial = out.with_name(f".{out.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        yield partial
        if out.is_dir():
            out.rmdir()
        partial.rename(out)
    except OSError as error:
        if files.disk_full(error):
            raise
        raise UserError(f"cannot write to {out}: {error.strerror or error}", code="unwritable-folder") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
