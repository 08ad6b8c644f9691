"""``media/players.json``: the videos of a run's report and their layout."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import TypeAdapter

from reports.schema.base import Facts, parse

FORMAT: Final = "talking-head-bench players 1"


Role = Literal["source", "driving", "target", "model"]


class Panel(Facts):
    """One panel of the grid. name: of a model, or the role. missing: numbers of missing frames."""

    name: str
    role: Role
    missing: tuple[int, ...] = ()


class Around(Facts):
    """Why a part of a long clip was chosen: the worst second of a model by a metric, and its begin."""

    model: str
    metric: str
    second: float


class PlayerEntry(Facts):
    """One video next to the report: all panels in one picture, row by row.

    columns: of the grid. tile: width and height of a panel, pixels. times: time of each frame, seconds from the clip's
    first frame; the video begins with the first of them. end: of the last frame. length: of the whole clip, seconds.
    sound: whether the video has the reference's sound. silence: why the sound is unreadable, if so. around: set if the
    video is a part of the clip.
    """

    clip: str
    panels: tuple[Panel, ...]
    columns: int
    tile: tuple[int, int]
    times: tuple[float, ...]
    end: float
    length: float
    sound: bool = False
    silence: str | None = None
    around: Around | None = None


class Players(Facts):
    """The videos of a run, in the order of choice of their clips."""

    format: Literal["talking-head-bench players 1"]
    clips: tuple[PlayerEntry, ...]


PLAYERS: TypeAdapter[Players] = TypeAdapter(Players)


def parse_players(content: bytes) -> Players:
    """Read the bytes of ``players.json``. Raises Damaged."""
    return parse(PLAYERS, content)
