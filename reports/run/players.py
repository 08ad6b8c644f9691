"""The videos of a report of whole clips."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from protocols.names import safe_name
from reports.run import small_videos
from reports.schema.base import Damaged
from reports.schema.players import Panel, PlayerEntry, parse_players

FOLDER = "media"


@dataclass(frozen=True)
class Player:
    """One clip's video. src: a path relative to the page, or a data URI; None if the video is missing or unreadable."""

    entry: PlayerEntry
    src: str | None

    @property
    def facts(self) -> dict[str, Any]:
        """Return the data for the page's script."""
        entry = self.entry
        truth = next((k for k, panel in enumerate(entry.panels) if panel.role == "target"), None)
        panels = [{"model": panel.role == "model", "missing": list(panel.missing)} for panel in entry.panels]
        tile = {"width": entry.tile[0], "height": entry.tile[1], "columns": entry.columns}
        return {"times": list(entry.times), "end": entry.end, "panels": panels, "truth": truth, **tile}

    @property
    def compares(self) -> bool:
        """Return whether there is a true video to subtract."""
        return any(panel.role == "target" for panel in self.entry.panels)

    @property
    def lacking(self) -> list[tuple[Panel, int]]:
        """Return the panels with missing frames, and how many are missing."""
        return [(panel, len(panel.missing)) for panel in self.entry.panels if panel.missing]


@dataclass(frozen=True)
class Players:
    """Players by clip. problem: why there are none, in words; code: the same for programs."""

    by_clip: dict[str, Player]
    problem: str | None = None
    code: Literal["no-media", "unreadable", "other-run"] | None = None


def of_run(run: Path, models: Collection[str], inside: bool = False) -> Players:
    """Return the players of a run. models: those of the page.

    inside: embed small versions of the videos as data URIs, instead of paths of files.
    """
    file = run / FOLDER / "players.json"
    try:
        entries = parse_players(file.read_bytes()).clips
    except FileNotFoundError:
        return Players({}, f"No videos: the run's folder has no {FOLDER}/players.json", "no-media")
    except (OSError, Damaged) as error:
        return Players({}, f"No videos: {FOLDER}/players.json cannot be read ({error})", "unreadable")
    unknown = {panel.name for one in entries for panel in one.panels if panel.role == "model"}.difference(models)
    if unknown:
        names = ", ".join(sorted(unknown))
        return Players({}, f"No videos: {FOLDER}/players.json belongs to another run (it has {names})", "other-run")
    videos = {entry.clip: run / FOLDER / f"{safe_name(entry.clip)}.mp4" for entry in entries}
    found = {clip: video for clip, video in videos.items() if video.is_file()}
    if inside:
        entries, sources = small_videos.data_uris(entries, found)
    else:
        sources = {clip: f"{FOLDER}/{quote(video.name)}" for clip, video in found.items()}
    return Players({one.clip: Player(one, sources.get(one.clip)) for one in entries})
