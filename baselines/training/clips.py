"""Frames of a folder of clips: decoded once, then kept in memory or in a file that is read on demand."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from baselines.predictor import ModelError
from protocols import files
from protocols.crop import center_square
from protocols.errors import DataError
from protocols.folder import is_picture, is_video, some
from protocols.images import read_rgb, resize
from protocols.moving import open_video
from protocols.video import READING

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Frames:
    """pixels: ``(N, 3, S, S)`` uint8. names, ranges: per clip, its name and (first, end) of its frames.

    sha256: over names and pixels, in order.
    """

    pixels: np.ndarray
    names: list[str]
    ranges: list[tuple[int, int]]
    sha256: str


def read(root: Path, clips: Sequence[str] | None = None, cache: Path | None = None, side: int = 256) -> Frames:
    """Read all clips with at least two frames: ``<clip>/<frame>.png`` or .jpg, or ``<clip>.mp4`` and similar.

    Images must be square and of one size; videos are cropped to their central square and resized to `side`.
    cache: folder for the decoded frames; they are decoded again if a file's name, size or time has changed.
    Raises ModelError if there is no such clip, or one is unusable.
    """
    paths = _paths(root, clips)
    others = _others(root) if clips is None else []
    if others:
        log.warning(
            "%d files in %s are not read, since their names are not those of videos: %s",
            len(others),
            root,
            some(others),
        )
    try:
        if cache is None:
            return _decode(paths, root, side)
        cache.mkdir(parents=True, exist_ok=True)
        name = cache / f"frames-{_fingerprint(paths, side)[:16]}"
        with FileLock(f"{name}.lock"):  # since several processes of one training start together
            return _cached(name) or _store(name, _decode(paths, root, side))
    except DataError as error:
        raise ModelError(str(error), code=error.code) from None


def identity(name: str) -> str:
    """Return the identity of a clip: its name up to the first ``#``, as in VoxCeleb's names."""
    return name.partition("#")[0]


def names(root: Path, clips: Sequence[str] | None = None, excluded: Collection[str] = ()) -> list[str]:
    """Return the names of a folder's clips, or of `clips`, without the excluded ones; decodes nothing."""
    return [name for path in _paths(root, clips) if (name := _name(path)) not in excluded]


def identities(root: Path, clips: Sequence[str] | None = None, excluded: Collection[str] = ()) -> int:
    """Return the number of identities in the clip names of `names`."""
    return len({identity(name) for name in names(root, clips, excluded)})


def each_frame(root: Path, clips: Sequence[str] | None = None) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield (clip, frame, pixels) of all frames of `read`, decoded one by one; names as in `frame_names`."""
    try:
        for path in _paths(root, clips):
            for name, pixels in _video(path) if path.is_file() else _folder(path):
                yield _name(path), name.rpartition("/")[2], pixels
    except DataError as error:
        raise ModelError(str(error), code=error.code) from None


def frame_names(path: Path, count: int) -> tuple[str, list[str]]:
    """Return the names of a clip and of its `count` frames: file names without suffix, or a video's numbers from 0."""
    if path.is_file():
        return _name(path), [str(number) for number in range(count)]
    return _name(path), [file.stem for file in _images(path)][:count]


def _paths(root: Path, clips: Sequence[str] | None) -> list[Path]:
    found = sorted(root.iterdir(), key=_name) if root.is_dir() else []
    found = [path for path in found if path.is_dir() or is_video(path)]
    wanted = None if clips is None else set(clips)
    return [path for path in found if wanted is None or _name(path) in wanted]


def _others(root: Path) -> list[str]:
    found = sorted(root.iterdir()) if root.is_dir() else []
    return [path.name for path in found if path.is_file() and not is_video(path) and not path.name.startswith(".")]


def _name(path: Path) -> str:
    return path.stem if path.is_file() else path.name


def _decode(paths: Sequence[Path], root: Path, side: int) -> Frames:
    digest = hashlib.sha256()
    frames: list[np.ndarray] = []
    names, ranges = [], []
    for path in paths:
        start = len(frames)
        for name, pixels in _video(path, side) if path.is_file() else _folder(path):
            frames.append(pixels)
            digest.update(name.encode())
            digest.update(pixels.tobytes())
        if len(frames) > start:
            names.append(path.name)
            ranges.append((start, len(frames)))
    if not frames:
        raise ModelError(f"no clip with at least two frames in {root}", code="too-few-clips")
    shapes = {frame.shape for frame in frames}
    if len(shapes) > 1 or frames[0].shape[0] != frames[0].shape[1]:
        raise ModelError(
            f"training frames in {root} must be square and of one size, found {sorted(shapes)}",
            code="frame-sizes-differ",
        )
    stacked = np.ascontiguousarray(np.stack(frames).transpose(0, 3, 1, 2))
    return Frames(stacked, names, ranges, digest.hexdigest())


def _folder(folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    files = _images(folder)
    for file in files if len(files) > 1 else []:
        yield f"{folder.name}/{file.stem}", read_rgb(file)


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if is_picture(path))


def _video(file: Path, side: int = 256) -> Iterator[tuple[str, np.ndarray]]:
    video = open_video(file)
    try:
        for number in range(len(video)) if len(video) > 1 else ():
            yield f"{file.stem}/{number:07d}", resize(center_square(video.frame(number)), side, side)
    finally:
        video.close()


def _fingerprint(paths: Sequence[Path], side: int) -> str:
    files = [file for path in paths for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    facts = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return hashlib.sha256(json.dumps([READING, side, *facts]).encode()).hexdigest()


def _cached(name: Path) -> Frames | None:
    try:
        facts: dict[str, Any] = json.loads(name.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    pixels = np.load(name.with_suffix(".npy"), mmap_mode="c")  # copy on write, since torch requires writable memory
    return Frames(pixels, facts["names"], [tuple(span) for span in facts["ranges"]], facts["sha256"])


def _store(name: Path, frames: Frames) -> Frames:
    with files.replacing(name.with_suffix(".npy")) as temporary, temporary.open("wb") as stream:
        np.save(stream, frames.pixels)
    facts = {"sha256": frames.sha256, "names": frames.names, "ranges": frames.ranges}
    name.with_suffix(".json").write_text(json.dumps(facts), encoding="utf-8")  # last: marks the array as complete
    found = _cached(name)
    assert found is not None
    return found
