"""The videos that a study can show: those saved for the reports of runs, one panel of a picture each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bench.run.grid import columns_of
from bench.rundir.directory import RunDirectory
from bench.runtime.errors import UserError
from protocols import files
from protocols.names import BOUNDS
from reports.schema.base import Damaged
from reports.schema.manifest import Complete
from reports.schema.players import PlayerEntry, parse_players
from reports.schema.study import TRUTH, LeftOut, StudyClip, StudyRun


@dataclass(frozen=True)
class Panel:
    """The position of one model's video of a clip: a rectangle in a run's video of all panels.

    tile: width and height, pixels, both even. left, top: pixels, both even. times: start of each frame, seconds; end:
        of the last frame.
    """

    file: Path
    tile: tuple[int, int]
    left: int
    top: int
    times: tuple[float, ...]
    end: float
    sound: bool


@dataclass(frozen=True)
class Material:
    """The available videos. panels: by clip and model; the truth is the model `TRUTH`."""

    runs: tuple[StudyRun, ...]
    clips: tuple[StudyClip, ...]
    models: tuple[str, ...]
    panels: dict[tuple[str, str], Panel]
    left_out: tuple[LeftOut, ...]


def gather(runs: Sequence[Path], models: Sequence[str] = (), clips: Sequence[str] = ()) -> Material:
    """Find the videos in finished runs of whole clips.

    models, clips: the requested ones; by default every model that is no bound, and the clips with a video in every run.
    The truth is one of the models wherever there is one.
    Raises UserError where a run has no videos, runs do not fit together, or nothing remains.
    """
    read = [_read(RunDirectory(path)) for path in runs]
    _fit(read)
    chosen = _clips(read, clips)
    labels = _labels(read, models)
    panels: dict[tuple[str, str], Panel] = {}
    left_out = []
    for one in read:
        for clip in chosen:
            entry = one.entries[clip]
            for number, panel in enumerate(entry.panels):
                label = TRUTH if panel.role == "target" else panel.name if panel.role == "model" else None
                if label is None or label not in (*labels, TRUTH):
                    continue
                if panel.missing:
                    lost = f"{len(panel.missing)} of {len(entry.times)} frames are missing"
                    left_out.append(LeftOut(model=label, clip=clip, why=lost))
                else:
                    panels.setdefault((clip, label), _panel(one.file(clip), entry, number))
    true = any(label == TRUTH for _, label in panels)
    return Material(
        runs=tuple(one.facts for one in read),
        clips=tuple(_described(clip, read) for clip in chosen),
        models=(*labels, TRUTH) if true else labels,
        panels=panels,
        left_out=tuple(left_out),
    )


@dataclass(frozen=True)
class _Run:
    """A run with its videos."""

    directory: RunDirectory
    manifest: Complete
    samples: pd.DataFrame
    entries: dict[str, PlayerEntry]

    @property
    def facts(self) -> StudyRun:
        seal = self.manifest.content().get("sha256")
        return StudyRun(
            name=self.manifest.name,
            sha256=seal if isinstance(seal, str) else None,
            protocol=self.manifest.protocol.name,
        )

    def file(self, clip: str) -> Path:
        file = self.directory.media_file(clip)
        if not file.is_file():
            raise UserError(f"{file} is missing; `bench report` cannot restore it", code="missing-file")
        return file


def _read(directory: RunDirectory) -> _Run:
    manifest, samples = directory.finished()
    path = directory.path
    if manifest.unit != "clip":
        raise UserError(
            f"{path}: a run of pairs of frames; a study shows whole clips (`list protocols` has them)",
            code="wrong-protocol",
        )
    try:
        players = parse_players(files.content(path / "media" / "players.json"))
    except OSError:
        raise UserError(
            f"{path} has no videos (--no-media?): run or score it again under another --name with --media",
            code="no-media",
        ) from None
    except Damaged as error:
        raise UserError(f"{path}/media/players.json is damaged ({error})", code="changed-file") from None
    return _Run(directory, manifest, samples, {entry.clip: entry for entry in players.clips})


def _fit(read: Sequence[_Run]) -> None:
    """Raise UserError where two runs do not show the same clips."""
    first = read[0]
    for other in read[1:]:
        one, two = first.manifest, other.manifest
        if one.pairs.sha256 != two.pairs.sha256 or one.data_sha256 != two.data_sha256:
            raise UserError(
                f"{first.directory.path} and {other.directory.path} have different clips", code="runs-differ"
            )
        for clip in first.entries.keys() & other.entries.keys():
            if first.entries[clip].times != other.entries[clip].times:
                raise UserError(
                    f"{first.directory.path} and {other.directory.path} have different seconds of {clip}; leave it "
                    f"out with --clips",
                    code="runs-differ",
                )


def _clips(read: Sequence[_Run], wanted: Sequence[str]) -> list[str]:
    common = [clip for clip in read[0].entries if all(clip in one.entries for one in read)]
    if missing := [clip for clip in wanted if clip not in common]:
        raise UserError(
            f"--clips {missing[0]}: not in every run (all runs have {_some(common)})", code="unknown-choice"
        )
    if not common:
        raise UserError("the runs have no videos of a common clip", code="no-media")
    return list(wanted) or common


def _labels(read: Sequence[_Run], wanted: Sequence[str]) -> tuple[str, ...]:
    where: dict[str, Path] = {}
    for one in read:
        names = {panel.name for entry in one.entries.values() for panel in entry.panels if panel.role == "model"}
        for label in (label for label in one.manifest.labels if label in names):
            if label in where and (not wanted or label in wanted) and label not in BOUNDS:
                raise UserError(
                    f"two runs have a model {label}; give one another label (--models other={label}), or --models here",
                    code="bad-name",
                )
            where.setdefault(label, one.directory.path)
    if TRUTH in where:
        raise UserError(
            f"{where[TRUTH]}: a model is named {TRUTH}, which is the name of the reference in a study", code="bad-name"
        )
    if unknown := [label for label in wanted if label not in where]:
        raise UserError(f"--models {unknown[0]}: not in the runs (they have {_some(where)})", code="unknown-choice")
    labels = tuple(wanted) or tuple(label for label in where if label not in BOUNDS)
    if not labels:
        raise UserError(f"the runs have only bounds; name them with --models ({_some(where)})", code="missing-option")
    return labels


def _described(clip: str, read: Sequence[_Run]) -> StudyClip:
    entry = read[0].entries[clip]
    rows = read[0].samples
    of_clip = rows[rows["pair"] == clip]
    names = of_clip["driving_identity"] if "driving_identity" in of_clip else pd.Series(dtype=str)
    identity = str(names.iloc[0]) if len(names) and pd.notna(names.iloc[0]) else ""
    return StudyClip(id=clip, seconds=round(entry.end - entry.times[0], 3), identity=identity, sound=entry.sound)


def _panel(file: Path, entry: PlayerEntry, number: int) -> Panel:
    row, column = divmod(number, columns_of(len(entry.panels)))
    wide, high = entry.tile
    return Panel(file, entry.tile, column * wide, row * high, entry.times, entry.end, entry.sound)


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:8]) + (", ..." if len(listed) > 8 else "")
