"""Hashes of the pictures that a run keeps, so that one that was swapped or edited later is noticed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from bench.rundir.directory import RunDirectory
from bench.runtime.errors import UserError
from protocols import files
from reports.schema.base import Facts
from reports.schema.manifest import Complete

FOLDER, LIST = "pictures", "sha256.json"


class Hashes(Facts):
    """``pictures/sha256.json``. files: name below ``pictures/`` to SHA-256."""

    files: dict[str, str]


def seal(directory: RunDirectory) -> str | None:
    """Write the list of a run's pictures; returns the list's own SHA-256, None where no picture was kept."""
    folder = directory.path / FOLDER
    found = {file.relative_to(folder).as_posix(): _hash(file) for file in sorted(folder.glob("*/*.png"))}
    return directory.write_json(f"{FOLDER}/{LIST}", Hashes(files=found)) if found else None


def check(run: Path, manifest: Complete) -> None:
    """Raise UserError where a picture is not the one that the run kept. One that was removed is no error.

    Runs of earlier releases have no hashes, and are not checked.
    """
    if manifest.pictures_sha256 is None:
        return
    folder = run / FOLDER
    try:
        content = files.content(folder / LIST)
    except OSError:
        content = b""
    if hashlib.sha256(content).hexdigest() != manifest.pictures_sha256:
        if not folder.is_dir():
            return
        raise UserError(f"{folder / LIST} is missing or was changed after the run", code="changed-file")
    hashes: dict[str, str] = json.loads(content)["files"]
    there = sorted(folder.glob("*/*.png"))
    changed = [file for file in there if hashes.get(file.relative_to(folder).as_posix()) != _hash(file)]
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise UserError(
            f"{changed[0]}{more}: changed after the run; restore the file, or remove it to go without it",
            code="changed-file",
        )


def _hash(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
