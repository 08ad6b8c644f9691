"""``pairs.json`` beside kept frames: which list, and which input frames, they were made for."""

from __future__ import annotations

from typing import Literal

from pydantic import TypeAdapter

from reports.schema.base import Facts
from reports.schema.manifest import Crop

FORMAT = "talking-head-bench frames 1"


class ListFacts(Facts):
    """A pair list, without where it comes from."""

    name: str
    sha256: str
    n: int | None = None


class Inputs(Facts):
    """The frames that a model is shown, as the manifest has them."""

    frame_size: str
    crop: dict[str, Crop]
    clips_sha256: dict[str, str]


class FramesList(Facts):
    """``pairs.json``: which list, and which input frames, the frames of a folder were made for.

    pairs: by id a hash of what the pair asks.
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
