"""Data sets of talking faces as videos with their sound; as folders of frames they are in `datasets`."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from protocols import datasets
from protocols.custom_dataset import VideoFolder
from protocols.datasets import Dataset, Grid, Hdtf, Obama
from protocols.folder import is_video

LEVELS, LOOKED_AT = 4, 3  # depth, and number of folders per folder, of the search for a video


class HdtfVideos(VideoFolder):
    """HDTF as videos, ``<clip>.mp4`` at any depth."""

    layout = "<clip>.mp4"

    def identity(self, clip: str) -> str:
        return self._identities.get(clip) or Hdtf.speaker(f"{PurePosixPath(clip).stem}.mp4")


class ObamaVideos(VideoFolder):
    """Videos of one person, whatever their names."""

    layout = Obama.layout

    def identity(self, clip: str) -> str:
        return self._identities.get(clip) or Obama.PERSON


class GridVideos(VideoFolder):
    """GRID's videos below folders of speakers (``s1/<sentence>.mpg``, ``s1/video/mpg_6000/<sentence>.mpg``).

    A sentence in several qualities is one clip, the one with the longest path.
    """

    layout = Grid.layout

    def clips(self, split: str | None = None) -> list[str]:
        best: dict[tuple[str, str], str] = {}
        for clip in sorted(super().clips(split), key=lambda one: (one.count("/"), one)):
            best[self.identity(clip), PurePosixPath(clip).stem] = clip
        return sorted(best.values())

    def identity(self, clip: str) -> str:
        return self._identities.get(clip) or Grid.speaker(clip)

    def sound_stems(self, clip: str) -> list[Path]:
        return [*super().sound_stems(clip), *Grid.sounds(self.root, clip)]


VIDEOS: dict[str, type[Dataset]] = {"hdtf": HdtfVideos, "obama": ObamaVideos, "grid": GridVideos}


def layout(name: str, root: Path) -> type[Dataset]:
    """Return the class for a data set of `datasets.names` at `root`: as videos if it has one, else as frames."""
    return VIDEOS[name] if name in VIDEOS and _has_video(root, LEVELS) else datasets.layout(name)


def _has_video(place: Path, levels: int) -> bool:
    """Return whether a file is a video, or a folder has one in it or in one of the first few folders below it.

    The search is limited, since folders of frames have millions of files.
    """
    if place.is_file():
        return is_video(place)
    try:
        with os.scandir(place) as found:
            entries = sorted((entry for entry in found if not entry.name.startswith(".")), key=lambda one: one.name)
    except OSError:  # `check` reports an unreadable root
        return False
    if any(entry.is_file() and is_video(Path(entry.path)) for entry in entries):
        return True
    below = [Path(entry.path) for entry in entries if entry.is_dir()][:LOOKED_AT] if levels else []
    return any(_has_video(folder, levels - 1) for folder in below)
