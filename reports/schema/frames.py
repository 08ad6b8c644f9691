"""``pairs.json`` next to saved frames: the pair list and input frames that they were made for."""

from __future__ import annotations

from typing import Literal

from pydantic import TypeAdapter

from reports.schema.base import Facts
from reports.schema.manifest import Crop

FORMAT = "talking-head-bench frames 1"


class ListFacts(Facts):
    """A pair list, without its provenance."""

    name: str
    sha256: str
    n: int | None = None


class Inputs(Facts):
    """The input frames of a model, as in the manifest."""

    frame_size: str
    crop: dict[str, Crop]
    clips_sha256: dict[str, str]


class FramesList(Facts):
    """``pairs.json``: the pair list and input frames that a folder's frames were made for.

    pairs: pair id → hash of the pair's definition.
    """

    format: Literal["talking-head-bench frames 1"]
    list: ListFacts
    protocol: str | None = None
    model: str | None = None
    run: str | None = None
    mode: str | None = None
    frame_size: str | None = None
    crop: dict[str, Crop] | None = None
    clips_sha256: dict[str, str] | None = None
    pairs: dict[str, str]


FRAMES: TypeAdapter[FramesList] = TypeAdapter(FramesList)
