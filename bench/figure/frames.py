"""Choose the frames of clips for a figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.rundir.directory import RunDirectory
from bench.runtime.errors import UserError
from reports.schema.manifest import Complete


@dataclass(frozen=True)
class FrameSelection:
    """Frames to show: `count` frames evenly from the first to the last, or `numbers`, from 0; neither: the middle one.

    A count of 1 is the middle frame, too.
    """

    count: int = 0
    numbers: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.count or self.numbers)


@dataclass(frozen=True)
class Shot:
    """A frame of a clip. id: as of a pair. number: from 0. of: how many the clip has. time: in seconds."""

    id: str
    clip: str
    number: int
    of: int
    time: float

    @property
    def middle(self) -> bool:
        """Return whether it is the clip's frame in reports."""
        return self.number == self.of // 2


def chosen(table: pd.DataFrame, clips: Sequence[str], labels: Sequence[str], selection: FrameSelection) -> list[Shot]:
    """Return the frames, clip by clip. table: of frames, from `RunDirectory.frame_values`.

    Raises UserError for frames that a clip does not have, and for those where a model failed.
    """
    found = []
    for clip in clips:
        own = table[table["clip"] == clip]
        frames = own.drop_duplicates("pair").sort_values("time", kind="stable")[["pair", "time"]]
        for number in _numbers(clip, len(frames), selection):
            row = frames.iloc[number]
            shot = Shot(str(row["pair"]), clip, number, len(frames), float(row["time"]))
            made = own[(own["pair"] == shot.id) & (own["status"] == "ok")]
            if lacking := [label for label in labels if label not in set(made["model"])]:
                raise UserError(f"frame {number} of clip {clip}: {lacking[0]} made none", code="failed-pair")
            found.append(shot)
    return found


def measured(table: pd.DataFrame) -> dict[tuple[str, str], float]:
    """Return the L1 of every frame that has one, by model and the frame's id."""
    if "l1" not in table:
        return {}
    rows = table.dropna(subset="l1")
    return dict(zip(zip(rows["model"], rows["pair"]), rows["l1"].astype(float)))


def values(directory: RunDirectory, manifest: Complete, selection: FrameSelection) -> pd.DataFrame | None:
    """Return the table of frames if frames are selected, else None. Raises UserError for a run without clips."""
    if not selection:
        return None
    if manifest.unit != "clip":
        raise UserError("--frames and --frame are for runs of whole clips; this one is of pairs", code="unused-option")
    return directory.frame_values(manifest)


def _numbers(clip: str, count: int, selection: FrameSelection) -> list[int]:
    if selection.numbers:
        if beyond := [number for number in selection.numbers if number >= count]:
            raise UserError(
                f"--frame {beyond[0]}: clip {clip} has frames 0 to {count - 1}",
                code="unknown-frame",
            )
        return list(selection.numbers)
    if selection.count > count:
        raise UserError(f"--frames {selection.count}: clip {clip} has {count}", code="unknown-frame")
    if selection.count == 1:
        return [count // 2]
    return [int(number) for number in np.linspace(0, count - 1, selection.count).round()]
