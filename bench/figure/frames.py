"""Which frames of its clips a figure shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.rundir.directory import RunDirectory
from bench.runtime.errors import UserError
from reports.schema.manifest import Complete


@dataclass(frozen=True)
class Asked:
    """What was asked: `count` frames evenly from the first to the last, or `numbers`, from 0; nothing: the middle one.

    With a count of 1 it is the middle frame, too.
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
        """Whether it stands for its clip in reports."""
        return self.number == self.of // 2


def chosen(table: pd.DataFrame, clips: Sequence[str], labels: Sequence[str], asked: Asked) -> list[Shot]:
    """Return the frames, clip by clip. table: of frames, as `RunDirectory.frame_values` reads it.

    Raises UserError for frames that a clip does not have, and for those that a model did not make.
    """
    found = []
    for clip in clips:
        own = table[table["clip"] == clip]
        frames = own.drop_duplicates("pair").sort_values("time", kind="stable")[["pair", "time"]]
        for number in _numbers(clip, len(frames), asked):
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


def values(directory: RunDirectory, manifest: Complete, asked: Asked) -> pd.DataFrame | None:
    """Return the table of frames where frames were asked for. Raises UserError where a run has no clips."""
    if not asked:
        return None
    if manifest.unit != "clip":
        raise UserError("--frames and --frame are for runs of whole clips; this one is of pairs", code="unused-option")
    return directory.frame_values(manifest)


def _numbers(clip: str, count: int, asked: Asked) -> list[int]:
    if asked.numbers:
        if beyond := [number for number in asked.numbers if number >= count]:
            raise UserError(
                f"--frame {beyond[0]}: clip {clip} has frames 0 to {count - 1}",
                code="unknown-frame",
            )
        return list(asked.numbers)
    if asked.count > count:
        raise UserError(f"--frames {asked.count}: clip {clip} has {count}", code="unknown-frame")
    if asked.count == 1:
        return [count // 2]
    return [int(number) for number in np.linspace(0, count - 1, asked.count).round()]
