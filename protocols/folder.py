"""What of a user's folder is read: one list of file types for all commands, and a word on everything else."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pnm", ".avif")
VIDEOS = (
    *(".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".mj2", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".m2v", ".vob"),
    *(".ts", ".mts", ".m2ts", ".flv", ".f4v", ".wmv", ".asf", ".ogv", ".ivf", ".gif", ".apng"),
    *(".h264", ".264", ".h265", ".265", ".hevc"),
)  # a .webp that moves is one, too
NAMED = 5  # names in a notice


@dataclass(frozen=True)
class Found:
    """A folder's files by their path below it (``anna/talk.mp4``), sorted.

    videos, pictures: what is read. others: what is not. links: those to folders that were not followed, and those that
    lead nowhere. Hidden files and folders are in none of them.
    """

    videos: tuple[str, ...]
    pictures: tuple[str, ...]
    others: tuple[str, ...]
    links: tuple[str, ...]


def find(root: Path, follow_links: bool = False) -> Found:
    """All files below `root`, at any depth. follow_links: enter linked folders, but not in a circle."""
    links: list[str] = []
    names = sorted(_walk(root, (), follow_links, links))
    videos = tuple(name for name in names if is_video(root / name))
    moving = frozenset(videos)
    pictures = tuple(name for name in names if is_picture(name) and name not in moving)
    others = tuple(name for name in names if name not in moving and not is_picture(name))
    return Found(videos, pictures, others, tuple(sorted(links)))


def is_picture(name: str | Path) -> bool:
    """Whether a file's name is that of a picture."""
    return str(name).lower().endswith(PICTURES)


def is_video(file: Path) -> bool:
    """Whether a file's name is that of a video, or the file a WebP picture that moves."""
    name = file.name.lower()
    return name.endswith(VIDEOS) or (name.endswith(".webp") and _moves(file))


def some(names: Sequence[str]) -> str:
    """The first few of many names, for a notice."""
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _walk(folder: Path, above: tuple[str, ...], follow_links: bool, links: list[str], name: str = "") -> Iterator[str]:
    above = (*above, os.path.realpath(folder))
    try:
        with os.scandir(folder) as found:
            entries = [entry for entry in found if not entry.name.startswith(".")]
    except OSError:  # no folder, or none that may be read: `check` says so of the root
        return
    for entry in entries:
        if not entry.is_dir():
            if entry.is_file():
                yield name + entry.name
            elif entry.is_symlink():
                links.append(name + entry.name)
        elif not entry.is_symlink() or (follow_links and os.path.realpath(entry) not in above):
            yield from _walk(folder / entry.name, above, follow_links, links, f"{name}{entry.name}/")
        else:
            links.append(name + entry.name)


def _moves(file: Path) -> bool:
    """Whether a WebP file has the animation flag of its extended header (RFC 9649)."""
    try:
        with open(file, "rb") as stream:
            head = stream.read(21)
    except OSError:
        return False
    return head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and bool(head[20] & 2)
