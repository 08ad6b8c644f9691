"""Custom data as a data set: a folder with videos and pictures, or with folders of frames."""

from __future__ import annotations

import csv
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, cached_property, lru_cache
from pathlib import Path, PurePosixPath
from threading import Lock

import numpy as np

from protocols import files, plugins
from protocols.datasets import SOUNDS, Dataset, names
from protocols.errors import DataError, unreadable
from protocols.folder import PICTURES, Found, find, is_picture, is_video, some
from protocols.moving import MovingPicture, open_video
from protocols.notices import Notice
from protocols.pairs import FrameRef
from protocols.registered_dataset import checked
from protocols.video import Video
from protocols.video_index import Index
from protocols.words import counted

IDENTITIES = "identities.csv"
FAILED = "failed.csv"  # beside finished videos: reasons for missing ones


class VideoFolder(Dataset):
    """Any folder, at any depth: each video is a clip, each picture is a clip of one frame.

    A clip is named by its path below the root (``anna/talk.mp4``), a frame by its number with 7 digits. The
    identity is the file's name without suffix, unless a file ``identities.csv`` in the root has a line
    ``<clip>,<identity>`` for it.
    """

    crops = True
    assumed_rate = False
    layout = "videos (.mp4, .mov, ...) or pictures (.png, .jpg, ...)"

    def __init__(self, name: str, root: Path, follow_links: bool = False):
        """Open the folder `root`, or one video as the only clip."""
        self._only = root.name if root.is_file() else None
        root = root.parent if self._only else root
        super().__init__(name, root, follow_links)
        self._identities = _read_identities(root / IDENTITIES)
        self._is_video = cache(lambda clip: is_video(root / clip))
        self._lock = Lock()  # decoders are stateful
        self._video = lru_cache(maxsize=4)(self._open)
        self._sizes: dict[str, tuple[int, int]] = {}
        self._indices: dict[str, Index] = {}  # kept for videos indexed by decoding, which is slow
        self._recent = lru_cache(maxsize=16)(self._decode)  # sources and anchors recur in many pairs

    @cached_property
    def found(self) -> Found:
        """Return the files below the root. Raises DataError for a single file that is neither video nor picture."""
        if self._only:
            if not self._is_video(self._only) and not is_picture(self._only):
                raise DataError(
                    f"{self._only}: by its name neither a video, a picture nor a folder", code="unreadable-video"
                )
            return Found((self._only,), (), (), ())
        return find(self.root, self.follow_links)

    def clips(self, split: str | None = None) -> list[str]:
        """Return all videos and pictures, sorted; there are no splits."""
        return sorted(self.found.videos + self.found.pictures)

    def left_out(self) -> list[str]:
        others = _unused(self, self.found.others, self.clips())
        lines = _left_out(self, others, "neither pictures nor videos by their names", self.found)
        return _torn_apart(self, self.found) + lines + _nobody(self, self._identities)

    def identity(self, clip: str) -> str:
        return self._identities.get(clip) or Path(clip).stem

    def frames(self, clip: str) -> list[str]:
        return [f"{number:07d}" for number in range(self._length(clip))]

    def times(self, clip: str) -> list[float]:
        if not self._is_video(clip) or not self._length(clip):
            return [0.0] * self._length(clip)
        with self._lock:
            video = self._video(clip)
            first, *_ = times = video.times
            return [float((time - first) * video.time_base) for time in times]

    def end(self, clip: str) -> float:
        """Return the end of a clip's last frame, in seconds from its first; infinity for a picture."""
        if not self._is_video(clip):
            return math.inf
        with self._lock:
            video = self._video(clip)
            return float((video.end - video.times[0]) * video.time_base)

    def sound_file(self, clip: str) -> Path | None:
        """Return the sound file with the clip's name beside it; else the video itself if it has sound; else None."""
        if beside := super().sound_file(clip):
            return beside
        if not self._is_video(clip):
            return None
        with self._lock:
            return self._file(clip) if self._video(clip).has_sound else None

    def path(self, ref: FrameRef) -> Path:
        """Return the video or picture with the frame."""
        return self._file(ref.clip)

    def missing(self, refs: Iterable[FrameRef]) -> list[FrameRef]:
        return [ref for ref in dict.fromkeys(refs) if not 0 <= _number(ref) < self._length(ref.clip)]

    def size(self, ref: FrameRef) -> tuple[int, int]:
        if not self._is_video(ref.clip):
            return super().size(ref)
        with self._lock:
            if ref.clip not in self._sizes:
                video = self._video(ref.clip)
                self.reading.add("videos", ref.clip, video.facts)
                self._sizes[ref.clip] = video.size
            return self._sizes[ref.clip]

    def frame(self, ref: FrameRef, size: int | None = None) -> np.ndarray:
        if not self._is_video(ref.clip):
            return super().frame(ref, size)
        with self._lock:
            return self._recent(ref, size)

    def original(self, ref: FrameRef) -> np.ndarray:
        if not self._is_video(ref.clip):
            return super().original(ref)
        with self._lock:
            return self._video(ref.clip).frame(_number(ref))

    def _open(self, clip: str) -> Video | MovingPicture:
        video = open_video(self._file(clip), index=self._indices.get(clip))
        if video.index and video.index.decoded:
            self._indices[clip] = video.index
        return video

    def _decode(self, ref: FrameRef, size: int | None) -> np.ndarray:
        image = self._fit(self._video(ref.clip).frame(_number(ref)), ref, size)
        image.flags.writeable = False  # the cache returns the same array again
        return image

    def _file(self, clip: str) -> Path:
        return self.within(self.root / clip, f"{self.name}/{clip}")

    def _length(self, clip: str) -> int:
        if not self._file(clip).is_file():
            return 0
        if not self._is_video(clip):
            return 1
        with self._lock:
            return len(self._video(clip))


class FrameFolders(Dataset):
    """Folders of frames, at any depth: ``<root>/<clip>/<frame>.png`` or another type of picture.

    The folder's path below the root is the clip's name, and its identity unless ``identities.csv`` in the root has a
    line for it.
    """

    crops = True
    suffixes = PICTURES

    def __init__(self, name: str, root: Path, follow_links: bool = False):
        super().__init__(name, root, follow_links)
        self._identities = _read_identities(root / IDENTITIES)
        found = find(root, follow_links)
        frames = {name.rpartition(".")[0]: name for name in reversed(found.pictures) if "/" in name}
        self._clips = sorted({name.rpartition("/")[0] for name in frames})
        others = _unused(self, found.others, self._clips)
        twice = sorted({*found.pictures} - {*frames.values()})
        self._left_out = [
            *_left_out(self, others, "no pictures by their names", found),
            *_left_out(self, twice, "another picture has the same name with another suffix"),
        ]

    def clips(self, split: str | None = None) -> list[str]:
        return list(self._clips)

    def identity(self, clip: str) -> str:
        return self._identities.get(clip) or clip

    def left_out(self) -> list[str]:
        return self._left_out + _nobody(self, self._identities)


def open_dataset(name: str, root: Path, follow_links: bool = False) -> Dataset:
    """Open the data set `name` in the folder `root`; a name without a known layout is custom data.

    A `root` that is a file is one video. A custom folder is read as videos and pictures (`VideoFolder`) if it has a
    video anywhere or a picture directly in it, else as folders of frames (`FrameFolders`). follow_links: links in the
    root may lead out of it. Raises DataError if the folder does not have the expected layout.
    """
    if name in names():
        from protocols import talking_data  # late import: its layouts are subclasses of these

        opens = talking_data.layout(name, root)
        if plugin := plugins.registered("data set").get(name):
            opens = checked(opens, plugin[0])
        dataset = opens(name, root, follow_links)
    else:
        dataset = VideoFolder(name, root, follow_links)
        found = dataset.found
        if found.pictures and not found.videos and all("/" in name for name in found.pictures):
            dataset = FrameFolders(name, root, follow_links)
    dataset.check()
    return dataset


def _unused(dataset: Dataset, others: Sequence[str], clips: Sequence[str]) -> list[str]:
    """Return the unused ones of `others`: without the identities, reasons of failures and sound of clips."""
    read = {stem.relative_to(dataset.root).as_posix() for clip in clips for stem in dataset.sound_stems(clip)}
    paths = {name: PurePosixPath(name) for name in others if name not in (IDENTITIES, FAILED)}
    sounds = {name for name, path in paths.items() if path.suffix in SOUNDS}
    return [name for name in paths if name not in sounds or str(paths[name].with_suffix("")) not in read]


def _left_out(dataset: Dataset, others: Sequence[str], why: str, found: Found | None = None) -> list[str]:
    lines: list[str] = []
    if others:
        line = f"{dataset.name}: {counted(len(others), 'file')} in {dataset.root} not read ({why}): {some(others)}"
        lines.append(Notice(line, "unread-files"))
    if found and (links := found.links):
        why = "they lead nowhere" if dataset.follow_links else "--follow-links follows them"
        line = f"{dataset.name}: {counted(len(links), 'link')} in {dataset.root} not followed ({why}): {some(links)}"
        lines.append(Notice(line, "unfollowed-links"))
    if found and (again := found.again):
        what = f"{counted(len(again), 'link')} in {dataset.root} to files or folders that are also under another name"
        lines.append(Notice(f"{dataset.name}: {what}; not read twice: {some(again)}", "repeated-links"))
    return lines


def _torn_apart(dataset: Dataset, found: Found) -> list[str]:
    """Return a line on numbered pictures in one sub-folder that are separate clips, but look like frames of a clip."""
    below = [name.rpartition("/") for name in found.pictures if "/" in name]
    series = Counter((folder, re.sub(r"\d+", "0", file)) for folder, _, file in below)
    n = sum(count for count in series.values() if count > 1)
    if not n:
        return []
    why = [f"the videos in it: {some(found.videos)}"] if found.videos else []
    if top := [name for name in found.pictures if "/" not in name]:
        why.append(f"the pictures directly in it: {some(top)}")
    what = f"{n} numbered pictures in sub-folders are read as {n} clips of one picture each, because of"
    line = f"{dataset.name}: {what} {' and '.join(why)} (move these away to read each folder as a clip of frames)"
    return [Notice(line, "single-pictures")]


def _nobody(dataset: Dataset, identities: Mapping[str, str]) -> list[str]:
    """Return a line on names in ``identities.csv`` that are not a clip."""
    unknown = sorted(identities.keys() - set(dataset.clips()))
    line = f"{dataset.name}: {counted(len(unknown), 'line')} of {IDENTITIES} without a clip in {dataset.root}: "
    return [Notice(line + some(unknown), "unknown-identities")] if unknown else []


def _number(ref: FrameRef) -> int:
    name = ref.frame
    return int(name) if name.isascii() and name.isdigit() and len(name) < 19 else -1


def _read_identities(file: Path) -> dict[str, str]:
    if not file.is_file():
        return {}
    try:
        rows = [row for row in csv.reader(files.text(file, "utf-8-sig").splitlines()) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise unreadable(file, error) from None
    for number, row in enumerate(rows, start=1):
        if len(row) != 2 or not all(cell.strip() for cell in row):
            raise DataError(f"{file}, line {number}: expected CLIP,IDENTITY", code="bad-row")
    found: dict[str, str] = {}
    for number, (clip, identity) in enumerate(rows, start=1):
        if found.setdefault(clip.strip(), identity.strip()) != identity.strip():
            raise DataError(
                f"{file}, line {number}: {clip.strip()} is {found[clip.strip()]} in another line", code="contradiction"
            )
    return found
