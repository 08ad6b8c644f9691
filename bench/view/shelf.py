"""The current runs below some folders; a run is read again only after one of its files has changed."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Literal

from bench.rundir.directory import RunDirectory, readable
from bench.runtime.errors import UserError, one_line
from protocols import files
from reports.run.view import SummaryTable, summary_table
from reports.schema.manifest import Complete, Manifest
from reports.schema.summary import Summary

DEPTH = 3  # levels of folders below a named one
STAMPED = ("manifest.json", "summary.json", "samples.parquet", "report.html", ".lock.json", "media/players.json")
State = Literal["complete", "running", "stopped", "damaged"]


@dataclass(frozen=True)
class Shelved:
    """A run's folder. folder: without links. why: why the run is not complete, in words.

    manifest: if readable; summary and table: of a complete run only.
    """

    id: str
    name: str
    folder: Path
    state: State
    why: str = ""
    manifest: Manifest | None = None
    summary: Summary | None = None
    table: SummaryTable | None = None


@dataclass
class Shelf:
    """Folders of runs, or runs. left_out: links that point outside them, at the last search."""

    roots: Sequence[Path]
    left_out: list[str] = field(default_factory=list)
    _known: dict[Path, tuple[object, Shelved]] = field(default_factory=dict)
    _busy: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        """Raise UserError for anything but a folder."""
        for root in self.roots:
            if not root.is_dir():
                raise UserError(f"{root} is not a folder of runs", code="missing-folder")
        self.roots = list(dict.fromkeys(root.resolve() for root in self.roots))

    def runs(self) -> list[Shelved]:
        """Search for runs; unchanged ones are not read again."""
        with self._busy:
            self.left_out = []
            found = {}
            for folder, name in self._folders():
                stamp = _stamp(folder)
                before = self._known.get(folder)
                found[folder] = before if before and before[0] == stamp else (stamp, _read(folder, name))
            self._known = found
            return [run for _, run in found.values()]

    def run(self, id_: str) -> Shelved | None:
        """Return the current state of a run by its id; None if there is none."""
        return next((run for run in self.runs() if run.id == id_), None)

    def _folders(self) -> Iterator[tuple[Path, str]]:
        seen: set[Path] = set()
        for root in self.roots:
            for folder in _below(root, DEPTH, self.left_out, root):
                if folder not in seen:
                    seen.add(folder)
                    inside = folder.relative_to(root).as_posix()
                    name = root.name if inside == "." else inside if len(self.roots) == 1 else f"{root.name}/{inside}"
                    yield folder, one_line(os.fsencode(name).decode("utf-8", "replace"))


def _below(folder: Path, depth: int, left_out: list[str], root: Path) -> Iterator[Path]:
    if is_run(folder):
        yield folder
        return
    if depth == 0:
        return
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        path = Path(entry.path)
        if entry.is_symlink() and path.is_dir():
            if not path.resolve().is_relative_to(root):
                left_out.append(one_line(os.fsencode(entry.name).decode("utf-8", "replace")))
        elif entry.is_dir(follow_symlinks=False):
            yield from _below(path, depth - 1, left_out, root)


def is_run(folder: Path) -> bool:
    """Return whether a run has begun in a folder: it has a manifest, or a lock and a work folder."""
    return (folder / "manifest.json").is_file() or ((folder / ".lock").is_file() and (folder / "work").is_dir())


def _stamp(folder: Path) -> object:
    """Return a stamp that changes with any file of the run; for a run in progress also with its batches."""
    stamps: list[object] = []
    for name in STAMPED:
        try:
            status = (folder / name).stat()
            stamps.append((status.st_mtime_ns, status.st_size, status.st_ino))
        except OSError:
            stamps.append(None)
    return (*stamps, _holder(folder), _batches(folder))


def _read(folder: Path, name: str) -> Shelved:
    id_ = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    directory = RunDirectory(folder)
    manifest: Manifest | None = None
    try:
        with readable(folder):
            manifest = directory.manifest()
            if not isinstance(manifest, Complete):
                state, why = _unfinished(folder)
                return Shelved(id_, name, folder, state, why, manifest)
            summary = directory.summary(manifest)
            _check_samples(folder, manifest)
            return Shelved(id_, name, folder, "complete", "", manifest, summary, summary_table(summary, manifest))
    except (UserError, OSError) as error:
        why = one_line(str(error).replace(str(folder), name))
        return Shelved(id_, name, folder, "damaged", why, manifest)


def _check_samples(folder: Path, manifest: Complete) -> None:
    """Raise UserError where the table of pairs does not match the manifest."""
    file = folder / "samples.parquet"
    if not file.is_file():
        raise UserError(f"{folder}: samples.parquet is missing", code="no-finished-run")
    with file.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    if manifest.samples_sha256 not in (None, sha256):
        raise UserError(f"{folder}: samples.parquet is damaged or was changed after the run", code="changed-file")


def _unfinished(folder: Path) -> tuple[State, str]:
    """Return whether a process runs there, and its known progress."""
    done = f"{count} finished batches" if (count := _batches(folder)) else "no finished batch"
    holder = _holder(folder)
    if holder is None:
        return "stopped", f"stopped with {done}; re-run its command to resume"
    return "running", f"running {holder}, {done} so far"


def _holder(folder: Path) -> str | None:
    """Return the holder of the run's lock, in words, or None. Only reads: a reader must not try the lock."""
    try:
        facts = json.loads(files.content(folder / ".lock.json"))
        pid, host = int(facts["pid"]), str(facts["host"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    if host != socket.gethostname():
        return f"on {one_line(host)}, as last reported"
    return f"in process {pid}" if Path(f"/proc/{pid}").exists() else None


def _batches(folder: Path) -> int:
    work = folder / "work"
    return sum(1 for _ in work.glob("*/*.parquet")) if work.is_dir() else 0
