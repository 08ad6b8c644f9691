"""Data sets that are built once in the cache folder, from videos in registry packages."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from PIL import Image
from rich.console import Console
from rich.progress import Progress, TaskID

from protocols import interruption
from protocols.clips import requested_frames
from protocols.datasets import Dataset
from protocols.errors import DataError
from protocols.files import disk_full
from protocols.images import resize
from protocols.video import Video

INDEX = "index.json"


class BuiltSet(Dataset):
    """A folder of clips with an index of split, identity and frames of each clip, in the recipe's order."""

    stored = True

    def __init__(self, name: str, root: Path):
        super().__init__(name, root)
        self._clips: dict[str, dict[str, Any]] = read_index(root)["clips"]

    def clips(self, split: str | None = None) -> list[str]:
        return [clip for clip, facts in self._clips.items() if split in (None, facts["split"])]

    def frames(self, clip: str) -> list[str]:
        return list(self._clips[clip]["frames"]) if clip in self._clips else []

    def identity(self, clip: str) -> str:
        return str(self._clips[clip]["identity"])


@dataclass(frozen=True)
class Building:
    """State of a build. folder: for the set's files. work: for fetched files. size: side of frames in pixels.

    digest: over names, pixels and samples, in the order written.
    """

    folder: Path
    work: Path
    size: int
    digest: Any
    bar: Progress
    task: TaskID
    what: str

    def say(self, doing: str) -> None:
        """Show the current step on the progress bar."""
        self.bar.update(self.task, description=f"{self.what}: {doing}")

    def frames(
        self, clip: str, crop: Iterable[int], images: Iterable[tuple[str, np.ndarray]], suffix: str = ".png"
    ) -> dict[str, int]:
        """Cut and write the frames of a clip; returns name to size in bytes.

        crop: left, top and side in pixels. images: name and RGB uint8 ``(H, W, 3)``.
        """
        left, top, side = crop
        place, sizes = self.folder / clip, {}
        place.mkdir(parents=True)
        for name, image in images:
            cut = resize(np.ascontiguousarray(image[top : top + side, left : left + side]), self.size, self.size)
            file = place / f"{name}{suffix}"
            Image.fromarray(cut).save(file, compress_level=3, quality=95)  # the first is for PNG, the second for JPEG
            sizes[name] = file.stat().st_size
            interruption.check()
            self.digest.update(f"{clip}/{name}\n".encode() + cut.tobytes())
            self.bar.advance(self.task)
        return sizes


def even_frames(video: Video, count: int, rate: float) -> Iterator[tuple[str, np.ndarray]]:
    """Yield position (7 digits) and RGB uint8 ``(H, W, 3)`` of the frames shown at ``k / rate`` seconds."""
    first, *_ = times = video.times
    seconds = [float((time - first) * video.time_base) for time in times]
    for position, (number, _) in enumerate(requested_frames(seconds, 0.0, count / rate, rate)):
        yield f"{position:07d}", video.frame(number)


@cache
def recipe(name: str) -> dict[str, Any]:
    """Return files, frames, crops and hashes of a set, from ``data/<name>.json``."""
    return json.loads((Path(__file__).parent / "data" / f"{name}.json").read_text(encoding="utf-8"))


def read_index(folder: Path) -> dict[str, Any]:
    """Return the index of a build: version, SHA-256 of the content, clips."""
    return json.loads((folder / INDEX).read_text(encoding="utf-8"))


def ensure(
    folder: Path,
    what: str,
    facts: dict[str, Any],
    frames: int,
    make: Callable[[Building], dict[str, Any]],
    progress: bool,
) -> Path:
    """Build a set if it is missing or incomplete; return its folder.

    folder: its place below the cache folder. what: its name in words ("sample set"). facts: its recipe's ``version``
    and ``size``. frames: number of frames to build. make: writes the files and returns the clips for the index.
    progress: draw a progress bar on standard error.
    Raises DataError if the cache cannot be written, what `make` raises, and OSError if the disk is full.
    """
    if complete(folder, facts["version"]):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f".{folder.name}.lock"):
            if not complete(folder, facts["version"]):  # another process may have built it meanwhile
                _build(folder, what, facts, frames, make, progress)
    except OSError as error:
        if disk_full(error):
            raise
        raise DataError(
            f"the {what} cannot be built in {folder.parent}: {error.strerror or error}", code="unwritable-file"
        ) from None
    return folder


def complete(folder: Path, version: int) -> bool:
    """Return whether the folder has an index and all files in it, with the sizes in it."""
    try:
        index = read_index(folder)
        return index["version"] == version and all(
            (folder / name).stat().st_size == size
            for clip, facts in index["clips"].items()
            for name, size in _files(clip, facts)
        )
    except (OSError, ValueError, KeyError):
        return False


def _files(clip: str, facts: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield name and size in bytes of each file of a clip: its frames, and its sound beside them."""
    suffix = facts.get("suffix", ".png")
    yield from ((f"{clip}/{frame}{suffix}", size) for frame, size in facts["frames"].items())
    if "sound" in facts:
        yield f"{clip}.wav", facts["sound"]


def _build(
    folder: Path,
    what: str,
    facts: dict[str, Any],
    frames: int,
    make: Callable[[Building], dict[str, Any]],
    progress: bool,
) -> None:
    """Build the set in a temporary folder and rename it, so that a folder with the final name is always complete."""
    with (
        tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary,
        Progress(console=Console(stderr=True), disable=not progress) as bar,
    ):
        work = Path(temporary)
        task = bar.add_task(f"{what}: fetching", total=frames)
        building = Building(work / "built", work, facts["size"], hashlib.sha256(), bar, task, what)
        building.folder.mkdir()
        clips = make(building)
        index = {"version": facts["version"], "sha256": building.digest.hexdigest(), "clips": clips}
        (building.folder / INDEX).write_text(json.dumps(index) + "\n", encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(building.folder, folder)
