"""The files of a user's folder that are read: one list of types for all commands, and notices on all others."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pnm", ".avif")
VIDEOS = (
    *(".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".mj2", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".m2v", ".vob"),
    *(".ts", ".mts", ".m2ts", ".flv", ".f4v", ".wmv", ".asf", ".ogv", ".ivf", ".gif", ".apng"),
    *(".h264", ".264", ".h265", ".265", ".hevc"),
)  # an animated .webp is a video, too
NAMED = 5  # names in a notice


@dataclass(frozen=True)
class Found:
    """A folder's files by their path below it (``anna/talk.mp4``), sorted.

    videos, pictures: read files. others: files that are not read. links: to folders that were not followed, and broken
    ones. again: links to files and folders that are also under another name; one file is one clip. Hidden files and
    folders are in none of them.
    """

    videos: tuple[str, ...]
    pictures: tuple[str, ...]
    others: tuple[str, ...]
    links: tuple[str, ...]
    again: tuple[str, ...] = ()


def find(root: Path, follow_links: bool = False) -> Found:
    """Return all files below `root`, at any depth. follow_links: enter linked folders, each real folder once."""
    links: list[str] = []
    again: list[str] = []
    names = sorted(_walk(root, follow_links, links, again))
    videos = tuple(name for name in names if is_video(root / name))
    moving = frozenset(videos)
    pictures = tuple(name for name in names if is_picture(name) and name not in moving)
    others = tuple(name for name in names if name not in moving and not is_picture(name))
    return Found(videos, pictures, others, tuple(sorted(links)), tuple(sorted(again)))


def is_picture(name: str | Path) -> bool:
    """Return whether a file's name is that of a picture."""
    return str(name).lower().endswith(PICTURES)


def is_video(file: Path) -> bool:
    """Return whether a file is a video by its name, or an animated WebP picture."""
    name = file.name.lower()
    return name.endswith(VIDEOS) or (name.endswith(".webp") and _moves(file))


def some(names: Sequence[str]) -> str:
    """Return the first few of many names, for a notice."""
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _walk(root: Path, follow_links: bool, links: list[str], again: list[str]) -> Iterator[str]:
    """Yield the names of all files; real folders come before linked ones, so that a file gets its own name."""
    seen: set[str] = set()
    linked_files: list[str] = []
    folders, linked_folders = deque([""]), deque[str]()
    while folders or linked_folders:
        name = (folders or linked_folders).popleft()
        real = os.path.realpath(root / name)
        if real in seen:
            again.append(name.rstrip("/"))
            continue
        seen.add(real)
        try:
            with os.scandir(root / name) as found:
                entries = sorted((entry for entry in found if not entry.name.startswith(".")), key=lambda one: one.name)
        except OSError:  # no folder, or not readable: `check` reports it for the root
            continue
        for entry in entries:
            is_link, kind = entry.is_symlink(), _kind(entry)
            if kind == "folder" and (follow_links or not is_link):
                (linked_folders if is_link else folders).append(f"{name}{entry.name}/")
            elif kind == "file" and not is_link:
                yield name + entry.name
            elif is_link:
                (linked_files if kind == "file" else links).append(name + entry.name)
    targets: set[str] = set()
    for name in sorted(linked_files):
        file = Path(os.path.realpath(root / name))
        listed = str(file.parent) in seen and not file.name.startswith(".") and (is_picture(file) or is_video(file))
        if listed or str(file) in targets:
            again.append(name)
        else:
            yield name
        targets.add(str(file))


def _kind(entry: os.DirEntry[str]) -> str | None:
    try:
        return "folder" if entry.is_dir() else "file" if entry.is_file() else None
    except OSError:  # links in a circle
        return None


def _moves(file: Path) -> bool:
    """Return whether a WebP file has the animation flag of its extended header (RFC 9649)."""
    try:
        with open(file, "rb") as stream:
            head = stream.read(21)
    except OSError:
        return False
    return head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and bool(head[20] & 2)
