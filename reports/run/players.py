"""The videos that a report of whole clips plays, as far as they are there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from protocols.names import safe_name
from reports.run import small_videos
from reports.schema.base import Damaged
from reports.schema.players import Panel, PlayerEntry, parse_players

FOLDER = "media"


@dataclass(frozen=True)
class Player:
    """One clip's video. src: an address beside the page, or a data URI; None where no video can be read."""

    entry: PlayerEntry
    src: str | None

    @property
    def facts(self) -> dict[str, Any]:
        """What the page's script needs to know."""
        entry = self.entry
        truth = next((k for k, panel in enumerate(entry.panels) if panel.role == "target"), None)
        panels = [{"model": panel.role == "model", "missing": list(panel.missing)} for panel in entry.panels]
        tile = {"width": entry.tile[0], "height": entry.tile[1], "columns": entry.columns}
        return {"times": list(entry.times), "end": entry.end, "panels": panels, "truth": truth, **tile}

    @property
    def compares(self) -> bool:
        """Whether there is a truth to take the difference to."""
        return any(panel.role == "target" for panel in self.entry.panels)

    @property
    def lacking(self) -> list[tuple[Panel, int]]:
        """Panels without all of their frames, and how many of them are missing."""
        return [(panel, len(panel.missing)) for panel in self.entry.panels if panel.missing]


@dataclass(frozen=True)
class Players:
    """Players by clip. trouble: in words, why there are none."""

    by_clip: dict[str, Player]
    trouble: str | None = None


def of_run(run: Path, models: Collection[str], inside: bool = False) -> Players:
    """The players of a run. models: that the page knows.

    inside: small versions of the videos as data URIs, rather than addresses of files.
    """
    file = run / FOLDER / "players.json"
    try:
        entries = parse_players(file.read_bytes()).clips
    except FileNotFoundError:
        return Players({}, f"No videos: there is no {FOLDER}/players.json in the folder of this run")
    except (OSError, Damaged) as error:
        return Players({}, f"No videos: {FOLDER}/players.json cannot be read ({error})")
    unknown = {panel.name for one in entries for panel in one.panels if panel.role == "model"}.difference(models)
    if unknown:
        return Players({}, f"No videos: {FOLDER}/players.json is of another run (it has {', '.join(sorted(unknown))})")
    videos = {entry.clip: run / FOLDER / f"{safe_name(entry.clip)}.mp4" for entry in entries}
    found = {clip: video for clip, video in videos.items() if video.is_file()}
    if inside:
        entries, sources = small_videos.data_uris(entries, found)
    else:
        sources = {clip: f"{FOLDER}/{quote(video.name)}" for clip, video in found.items()}
    return Players({one.clip: Player(one, sources.get(one.clip)) for one in entries})
