"""``media/players.json``: the videos of a run's report, what is in each of them, and where."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import TypeAdapter

from reports.schema.base import Facts, parse

FORMAT: Final = "talking-head-bench players 1"


Role = Literal["source", "driving", "target", "model"]


class Panel(Facts):
    """One picture of the grid. name: of a model, or the role. missing: numbers of frames for which there is none."""

    name: str
    role: Role
    missing: tuple[int, ...] = ()


class Around(Facts):
    """What a part of a long clip was chosen for: the worst second of a model by a metric, where it begins."""

    model: str
    metric: str
    second: float


class PlayerEntry(Facts):
    """One video beside the report: all panels in one picture, row by row.

    columns: of the grid. tile: width and height of a panel, pixels. times: when each frame is shown, seconds from the
    clip's first frame; the video begins with the first of them. end: when the last one ends. length: of the whole clip,
    seconds. sound: whether the video has the reference's. silence: why it has not, where there is
    some that cannot be read. around: where the video is a part of the clip.
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
    """The videos of a run, in the order in which their clips were chosen."""

    format: Literal["talking-head-bench players 1"]
    clips: tuple[PlayerEntry, ...]


PLAYERS: TypeAdapter[Players] = TypeAdapter(Players)


def parse_players(content: bytes) -> Players:
    """Read the bytes of ``players.json``. Raises Damaged."""
    return parse(PLAYERS, content)
