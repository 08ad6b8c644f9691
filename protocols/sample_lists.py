"""Frozen pair lists of the protocols on the sample set.

`make` computes the lists in ``data/sample_*.csv``; runs read the files.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from protocols import sample_set
from protocols.augment import READINGS, different_scale
from protocols.draw import Draws
from protocols.pairs import FrameRef, PairList
from protocols.sampling import pair_of

# one neutral frame per person, the source of the cross-identity pairs
_NEUTRAL = {"w": ("w_smile", 234), "j": ("j_onset", 2), "c": ("c_talk", 20)}
_PORTRAITS = ("astronaut", "su", "hao", "anc", "multi0", "multi1", "multi2", "multi3")
NAMES = ("sameid", "crossid", "portraits", "diffscale", "seenid")


def load(name: str, reading: str | None = None) -> PairList:
    """Return a frozen list by its name in `NAMES`. reading: of ``diffscale``, one of `augment.READINGS`."""
    if name == "diffscale" and reading not in (None, READINGS[0]):
        return different_scale(load("sameid"), reading)
    return PairList.read(_file(name))


def make(name: str) -> PairList:
    """Compute a list from the recipe of the sample set.

    sameid: the first frame of each test clip with each later one. crossid: each person's neutral frame as source, every
    second frame of the others' test clips as driving frame; the anchor is the clip's first frame. portraits: eight
    still pictures as source, every fourth frame of all test clips. diffscale: two draws of every pair of sameid.
    seenid: the first frame of each training clip with every third later one. The order is shuffled, so that the first
    pairs of a list represent all.
    """
    test = sample_set.clips("test")
    if name == "diffscale":
        made = different_scale(make("sameid"))
        return PairList("sample-diffscale", made.version, made.pairs, made.provenance)
    drawn: list[tuple[str, int, str, int, int | None]]
    if name == "sameid":
        drawn = [(clip, _frames(clip)[0], clip, later, None) for clip in test for later in _frames(clip)[1:]]
    elif name == "seenid":
        train = sample_set.clips("train")
        drawn = [(clip, _frames(clip)[0], clip, later, None) for clip in train for later in _frames(clip)[3::3]]
    elif name == "crossid":
        drawn = [
            (*_NEUTRAL[person], clip, frame, _frames(clip)[0])
            for clip in test
            for person in _NEUTRAL
            if person != _identity(clip)
            for frame in _frames(clip)[::2]
        ]
    else:
        drawn = [
            (f"still/{portrait}", 0, clip, frame, None)
            for clip in test
            for portrait in _PORTRAITS
            for frame in _frames(clip)[::4]
        ]
    drawn = Draws(0, f"order of {name}").some(drawn, len(drawn))
    pairs = tuple(
        pair_of(
            f"{number:04d}",
            _ref(source_clip, source),
            _ref(driving_clip, driving),
            _identity(source_clip),
            _identity(driving_clip),
            None if anchor is None else _ref(driving_clip, anchor),
        )
        for number, (source_clip, source, driving_clip, driving, anchor) in enumerate(drawn)
    )
    return PairList(f"sample-{name}", 1, pairs, {"sample_set": sample_set.recipe()["content_sha256"]})


def _file(name: str) -> Path:
    return Path(__file__).parent / "data" / f"sample_{name}.csv"


@cache
def _clips() -> dict[str, dict]:
    return {clip["id"]: clip for clip in sample_set.planned_clips()}


def _frames(clip: str) -> range:
    return range(_clips()[clip]["first"], _clips()[clip]["last"] + 1)


def _identity(clip: str) -> str:
    return _clips()[clip]["identity"]


def _ref(clip: str, number: int) -> FrameRef:
    return FrameRef(sample_set.NAME, clip, f"{number:07d}")
