"""The shape of a metric's values: one per pair of frames, per clip, or per model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from bench.metrics.clips.catalogue import CLIP_DEFINITIONS
from bench.metrics.families import FAMILIES
from bench.metrics.sets.catalogue import SET_DEFINITIONS


class Names(NamedTuple):
    """Names of families and definitions by shape, each in the order given."""

    pairs: list[str]
    clips: list[str]
    sets: list[str]


def shape(name: str) -> Literal["pair", "clip", "set"]:
    """Return the shape of a family or a definition; of a package's metric, and of an unknown name, ``pair``."""
    if name in CLIP_DEFINITIONS:
        return "clip"
    if name in SET_DEFINITIONS:
        return "set"
    return FAMILIES[name].shape if name in FAMILIES else "pair"


def split(names: Sequence[str]) -> Names:
    """Sort names by shape."""
    shapes = {name: shape(name) for name in names}
    return Names(*([name for name in names if shapes[name] == one] for one in ("pair", "clip", "set")))
