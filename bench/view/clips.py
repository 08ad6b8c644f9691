"""The clips of a run that have a video, and one clip's numbers."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

from bench.rundir.directory import RunDirectory, readable
from bench.runtime.errors import UserError
from bench.view.kept import kept
from bench.view.shelf import Shelved
from protocols import files
from protocols.names import safe_name
from reports.run.view import number
from reports.schema.base import Damaged
from reports.schema.players import PlayerEntry, parse_players

MEDIA = "media"


@dataclass(frozen=True)
class Clip:
    """A clip. video: its address below the run's; None if the file is missing."""

    entry: PlayerEntry
    video: str | None


def clips(run: Shelved) -> tuple[list[Clip], str]:
    """Return the clips with a video in the order of the report, and the reason if there are none."""
    if run.manifest is None or run.manifest.clips is None:
        return [], "A run of pairs saves pictures, not videos; they are in its report."
    try:
        entries = parse_players(files.content(run.folder / MEDIA / "players.json")).clips
    except FileNotFoundError:
        return [], "This run saved no videos."
    except (OSError, Damaged) as error:
        return [], f"Its videos cannot be listed: {MEDIA}/players.json: {error}".replace(str(run.folder), run.name)
    names = {entry.clip: f"{MEDIA}/{safe_name(entry.clip)}.mp4" for entry in entries}
    return [Clip(entry, names[entry.clip] if kept(run.folder, names[entry.clip]) else None) for entry in entries], ""


def numbers(run: Shelved, clip: str) -> list[tuple[str, str, list[str]]]:
    """Return for every model its name, what failed, and its values on the clip, in the order of the run's table.

    Raises UserError where the table of clips is damaged.
    """
    assert run.table is not None
    with readable(run.folder):
        _, samples = RunDirectory(run.folder).finished()
        if not {"pair", "model", "status", "error"} <= {*samples.columns}:
            raise UserError(f"{run.folder} has no rows of clips", code="no-finished-run")
    own = {str(row["model"]): row for row in samples[samples["pair"] == clip].to_dict("records")}
    found = []
    for row in run.table.rows:
        if row.model not in own:
            continue
        values = own[row.model]
        failed = str(values["error"]) if values["status"] == "failed" else ""
        found.append((row.model, failed, [_text(values, column.name, column.decimals) for column in run.table.columns]))
    return found


def _text(values: Mapping[Hashable, object], name: str, decimals: int) -> str:
    value = values.get(name)
    known = value if isinstance(value, float) and not math.isnan(value) else None
    return number(known, decimals).replace("inf", "∞")
