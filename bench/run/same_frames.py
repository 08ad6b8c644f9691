"""Compare the frames that two runs read under the same names: crops, and contents of files."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from protocols.content import SOME
from protocols.crop import Box, center_box
from reports.schema.manifest import Crop

_CUT = re.compile(r"(face|framed|center) (\d+),(\d+),(\d+),(\d+) of (\d+)x(\d+)\b")

Cut = tuple[Box | str, tuple[int, int] | None]  # box, or the mode `none` or `center`; height and width where known
Sorted = tuple[list[str], list[str]]  # what differs, and what is unknown, a line each


def clip_of(frame: str) -> str:
    """Return ``dataset/clip`` of a frame's name ``dataset/clip/frame``."""
    return frame.rpartition("/")[0]


def cuts(ours: Mapping[str, Crop], theirs: Mapping[str, Crop], clips: Iterable[str]) -> Sorted:
    """Return clips (``dataset/clip``) that two runs crop differently, and those where that is unknown.

    ours, theirs: by data set.
    """
    other: list[str] = []
    unknown: list[str] = []
    for clip in sorted(clips):
        if ours == theirs:
            break
        one, two = (_cut(crop, clip) for crop in (ours, theirs))
        same = one == two if one is None or two is None else _same_cut(one, two)
        if same is False and (one is None or two is None):
            same = None
        if same is not True:
            (unknown if same is None else other).append(f"{clip} ({_in_words(one)} and {_in_words(two)})")
    return other, unknown


def contents(
    ours: Mapping[str, str], theirs: Mapping[str, str], frames: Mapping[str, tuple[Collection[str], Collection[str]]]
) -> Sorted:
    """Return clips with different contents in two runs, and those where hashes are missing or of other frames.

    ours, theirs: hashes by clip. frames: by clip, the names of the frames that each of the two read.
    """
    other: list[str] = []
    unknown: list[str] = []
    for clip, (read, read_there) in sorted(frames.items()):
        one, two = (hashes.get(clip, "") for hashes in (ours, theirs))
        if not one or not two:
            unknown.append(clip)
        elif one != two:
            hashed_alike = SOME not in one + two or set(read) == set(read_there)
            (other if hashed_alike else unknown).append(clip)
    return other, unknown


def _cut(crop: Mapping[str, Crop], clip: str) -> Cut | None:
    """Return how a run crops a clip; None if unknown."""
    dataset, _, name = clip.partition("/")
    if dataset not in crop:
        return None
    facts = crop[dataset]
    if facts.mode in ("none", "center"):
        return facts.mode, None
    if not (found := _CUT.match(facts.clips.get(name, ""))):
        return None
    how, *numbers = found.groups()
    left, top, right, bottom, width, height = map(int, numbers)
    if how == "framed":
        return ("none" if width == height else "center"), (height, width)
    return (left, top, right, bottom), (height, width)


def _same_cut(one: Cut, two: Cut) -> bool | None:
    """Return whether two crops give the same image; None if that depends on the unknown frame size."""
    (first, size), (second, other_size) = one, two
    if size and other_size and size != other_size:
        return False
    size = size or other_size
    if size is None:
        return True if first == second else None
    height, width = size
    boxes: dict[Box | str, Box] = {"none": (0, 0, width, height), "center": center_box(height, width)}
    return boxes.get(first, first) == boxes.get(second, second)


def _in_words(cut: Cut | None) -> str:
    if cut is None:
        return "unknown"
    how, size = cut
    text = how if isinstance(how, str) else ",".join(map(str, how))
    return f"{text} of {size[1]}x{size[0]}" if size else text
