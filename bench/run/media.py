"""Write the videos that the report plays: one a shown clip, with all panels side by side, in ``media/``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bench.run import clip_video
from bench.run.batches import decoded
from bench.run.clip_sound import Sounds
from bench.run.grid import SOUND_RATE, GridWriter, Planes, columns_of, fitted, nothing, side_of
from bench.rundir.directory import RunDirectory
from protocols import files, interruption, sound
from protocols.clips import Clip
from protocols.errors import DataError
from protocols.names import BOUNDS, PERFECT
from protocols.pairs import Pair
from protocols.resolve import LoadedPair, Resolved
from reports.run import choose
from reports.schema.manifest import Complete, MetricEntry
from reports.schema.players import FORMAT, Around, Panel, PlayerEntry, Players, Role

LONGEST = 30.0  # shown seconds of a clip, at most
USUAL = 0.04  # seconds for a single frame


@dataclass(frozen=True)
class Part:
    """The shown part of a clip: frames from `first` to before `stop`, and the worst second that it shows."""

    first: int
    stop: int
    around: Around | None


def keep(
    directory: RunDirectory, manifest: Complete, samples: pd.DataFrame, resolved: Resolved, sounds: Sounds
) -> None:
    """Write the videos of the clips that the report shows, and their description. samples: rows of clips."""
    assert resolved.clips is not None
    by_id = {clip.id: clip for clip in resolved.clips.clips}
    entries = []
    for name in choose.played(choose.picture_roles(samples, manifest)):
        pairs = [pair for pair in resolved.pair_list.pairs if pair.clip == name]
        rows = samples[samples["pair"] == name]
        maker = _Maker(directory, manifest.labels, resolved, by_id[name], pairs)
        directory.check()
        with files.replacing(directory.media_file(name)) as temporary:
            entries.append(maker.write(temporary, part_of(pairs, rows, manifest), sounds))
    if entries:
        directory.write_json("media/players.json", Players(format=FORMAT, clips=tuple(entries)))


def part_of(pairs: Sequence[Pair], rows: pd.DataFrame, manifest: Complete) -> Part:
    """Return the shown frames of a clip: all, or `LONGEST` seconds around the worst second of any model but bounds.

    rows: of ``samples.parquet``, a model each.
    """
    times = np.array([pair.time for pair in pairs])
    length = times[-1] + _usual(times)
    if length <= LONGEST + USUAL:
        return Part(0, len(pairs), None)
    begin, around = 0.0, _worst(rows[~rows["model"].isin(BOUNDS)], choose.picture_metric(manifest))
    if around is not None:
        begin = min(max(0.0, around.second + 0.5 - LONGEST / 2), length - LONGEST)
    inside = np.flatnonzero((times >= begin - 1e-6) & (times < begin + LONGEST - 1e-6))
    return Part(int(inside[0]), int(inside[-1]) + 1, around)


def _worst(rows: pd.DataFrame, metric: MetricEntry | None) -> Around | None:
    """Return the worst second of all models by a metric; None if unknown."""
    if metric is None or f"{metric.name}.worst" not in rows:
        return None
    known = rows.dropna(subset=[f"{metric.name}.worst"])
    if known.empty:
        return None
    row = known.sort_values(f"{metric.name}.worst", ascending=metric.higher_is_better, kind="stable").iloc[0]
    return Around(model=row["model"], metric=metric.name, second=float(row[f"{metric.name}.worst_second"]))


class _Maker:
    """Write the video of one clip."""

    def __init__(
        self, directory: RunDirectory, labels: Sequence[str], resolved: Resolved, clip: Clip, pairs: Sequence[Pair]
    ) -> None:
        self._resolved, self._clip, self._pairs = resolved, clip, pairs
        self._videos = {label: directory.video_file(label, clip.id) for label in labels if label != PERFECT}
        self._roles: list[Role] = ["source"]
        if clip.target is None or clip.target != clip.driving:
            self._roles.append("driving")
        if clip.target is not None:
            self._roles.append("target")

    def write(self, file: Path, part: Part, sounds: Sounds) -> PlayerEntry:
        """Write the video; return its description."""
        times = [pair.time for pair in self._pairs]
        usual = _usual(np.array(times))
        shown, length = times[part.first : part.stop], times[-1] + usual
        end = times[part.stop] if part.stop < len(times) else length
        names = [*self._roles, *self._videos]
        tile = self._tile(len(names))
        missing: dict[str, list[int]] = {name: [] for name in names}
        writer = GridWriter(file, len(names), tile, shown, end)
        heard, silence = self._sound(sounds)
        try:
            if heard is not None:
                writer.add_sound(heard, shown[0], end - shown[0])
            for number, panels in enumerate(self._panels(part, tile)):
                interruption.check()
                for name, panel in zip(names, panels):
                    if panel is None:
                        missing[name].append(number)
                cross = nothing(tile)
                writer.write([cross if panel is None else panel for panel in panels])
            writer.finish()
        finally:
            writer.close()
        of_roles = [Panel(name=role, role=role, missing=tuple(missing[role])) for role in self._roles]
        of_models = [Panel(name=label, role="model", missing=tuple(missing[label])) for label in self._videos]
        return PlayerEntry(
            clip=self._clip.id,
            panels=(*of_roles, *of_models),
            columns=columns_of(len(names)),
            tile=(tile[1], tile[0]),
            times=tuple(round(time, 6) for time in shown),
            end=round(end, 6),
            length=round(length, 6),
            sound=heard is not None,
            silence=silence,
            around=part.around,
        )

    def _tile(self, panels: int) -> tuple[int, int]:
        """Return (height, width) of a panel: of the clip's first readable driving frame."""
        frames = (self._load(pair) for pair in self._pairs)
        first = next((one for one in frames if one is not None), None)
        shape = (2, 2) if first is None else first.driving.shape
        return clip_video.fitting(shape[0], shape[1], side_of(panels))

    def _panels(self, part: Part, tile: tuple[int, int]) -> Iterator[list[Planes | None]]:
        """Yield every panel, frame by frame; None for a missing one."""
        videos = [_Frames(file, tile) for file in self._videos.values()]
        for position in range(part.first, part.stop):
            loaded = self._load(self._pairs[position])
            panels: list[Planes | None] = []
            for role in self._roles:
                image = None if loaded is None else getattr(loaded, role)
                panels.append(None if image is None else fitted(image, tile))
            yield panels + [frames.at(position) for frames in videos]

    def _load(self, pair: Pair) -> LoadedPair | None:
        try:
            return decoded(self._resolved.load, pair)
        except DataError:  # the frame failed and is counted
            return None

    def _sound(self, sounds: Sounds) -> tuple[sound.Sound | None, str | None]:
        """Return the reference's sound, if any, and why it cannot be read."""
        file = sounds.target_file(self._clip)
        if file is None:
            return None, None
        try:
            heard = sound.read(file, SOUND_RATE)
        except DataError as error:
            return None, str(error)
        return (None if heard is None else heard.later(-self._clip.start)), None


class _Frames:
    """The frames of a stored video as panels, requested by ascending positions."""

    def __init__(self, file: Path, tile: tuple[int, int]) -> None:
        self._frames = clip_video.read(file) if file.is_file() else iter(())  # a failed clip has none
        self._tile, self._next = tile, next(self._frames, None)

    def at(self, position: int) -> Planes | None:
        """Return the frame of a position; None if the model made none."""
        while self._next is not None and self._next[0] < position:
            self._next = next(self._frames, None)
        if self._next is None or self._next[0] != position:
            return None
        return fitted(self._next[1], self._tile)


def _usual(times: np.ndarray) -> float:
    """Return the average display time of a frame, in seconds."""
    return float((times[-1] - times[0]) / (len(times) - 1)) if len(times) > 1 else USUAL
