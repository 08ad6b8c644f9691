"""One's own videos and pictures as a data set."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from threading import Lock

import numpy as np

from protocols import files
from protocols.datasets import LAYOUTS, SUFFIXES, Dataset
from protocols.errors import DataError
from protocols.moving import MovingPicture, open_video
from protocols.pairs import FrameRef
from protocols.video import Video
from protocols.video_index import Index

VIDEOS = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".mpg", ".mpeg")
IDENTITIES = "identities.csv"


class VideoFolder(Dataset):
    """Any folder, at any depth: each video is a clip, each picture is a clip of one frame.

    A clip is named by its path below the root (``anna/talk.mp4``), a frame by its number with 7 digits. Frames that are
    not square are cut to their central square. The identity is the file's name without suffix, unless a file
    ``identities.csv`` in the root has a line ``<clip>,<identity>`` for it.
    """

    crops = True
    layout = "videos (.mp4, .mov, ...) or pictures (.png, .jpg)"

    def __init__(self, name: str, root: Path):
        super().__init__(name, root)
        self._identities = _read_identities(root / IDENTITIES)
        self._lock = Lock()  # decoders have a position
        self._video = lru_cache(maxsize=4)(self._open)
        self._indices: dict[str, Index] = {}  # of videos whose frames were found by decoding, which is not done twice
        self._recent = lru_cache(maxsize=16)(self._decode)  # a source or anchor comes up in pair after pair

    def clips(self, split: str | None = None) -> list[str]:
        """All videos and pictures, sorted; there are no splits."""
        files = (file for file in self.root.rglob("*") if file.suffix.lower() in VIDEOS + SUFFIXES and file.is_file())
        names = (file.relative_to(self.root) for file in files)
        return sorted(name.as_posix() for name in names if not any(part.startswith(".") for part in name.parts))

    def identity(self, clip: str) -> str:
        return self._identities.get(clip) or Path(clip).stem

    def frames(self, clip: str) -> list[str]:
        return [f"{number:07d}" for number in range(self._length(clip))]

    def path(self, ref: FrameRef) -> Path:
        """The video or picture that holds the frame."""
        return self._file(ref.clip)

    def missing(self, refs: Iterable[FrameRef]) -> list[FrameRef]:
        return [ref for ref in dict.fromkeys(refs) if not 0 <= _number(ref) < self._length(ref.clip)]

    def size(self, ref: FrameRef) -> tuple[int, int]:
        if not _is_video(ref.clip):
            return super().size(ref)
        with self._lock:
            video = self._video(ref.clip)
            self.reading.add("videos", ref.clip, video.facts)
            return video.size

    def frame(self, ref: FrameRef, size: int | None = None) -> np.ndarray:
        if not _is_video(ref.clip):
            return super().frame(ref, size)
        with self._lock:
            return self._recent(ref, size)

    def _open(self, clip: str) -> Video | MovingPicture:
        video = open_video(self._file(clip), index=self._indices.get(clip))
        if video.index and video.index.decoded:
            self._indices[clip] = video.index
        return video

    def _decode(self, ref: FrameRef, size: int | None) -> np.ndarray:
        image = self._fit(self._video(ref.clip).frame(_number(ref)), ref, size)
        image.flags.writeable = False  # it is handed out again
        return image

    def _file(self, clip: str) -> Path:
        file = self.root / clip
        if not Path(os.path.realpath(file)).is_relative_to(self._real_root):
            raise DataError(f"{self.name}/{clip}: leads out of {self.root}")
        return file

    def _length(self, clip: str) -> int:
        if not self._file(clip).is_file():
            return 0
        if not _is_video(clip):
            return 1
        with self._lock:
            return len(self._video(clip))


def open_dataset(name: str, root: Path) -> Dataset:
    """The data set `name` in the folder `root`; a name that is no known layout means one's own files.

    One's own folder is read as videos and pictures (`VideoFolder`) if there is a video in it or a picture directly in
    it, else as folders of frames (`Dataset`). Raises DataError where the folder does not hold what it should.
    """
    if name in LAYOUTS:
        dataset = LAYOUTS[name](name, root)
    else:
        dataset = VideoFolder(name, root)
        if not any(_is_video(clip) or "/" not in clip for clip in dataset.clips()) and any(dataset.clips()):
            dataset = Dataset(name, root)
    dataset.check()
    return dataset


def _is_video(clip: str) -> bool:
    return clip.lower().endswith(VIDEOS)


def _number(ref: FrameRef) -> int:
    name = ref.frame
    return int(name) if name.isascii() and name.isdigit() and len(name) < 19 else -1


def _read_identities(file: Path) -> dict[str, str]:
    if not file.is_file():
        return {}
    try:
        rows = [row for row in csv.reader(files.text(file, "utf-8-sig").splitlines()) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file}: cannot be read ({error})") from None
    for number, row in enumerate(rows, start=1):
        if len(row) != 2 or not all(cell.strip() for cell in row):
            raise DataError(f"{file}, line {number}: expected CLIP,IDENTITY")
    return {clip.strip(): identity.strip() for clip, identity in rows}
