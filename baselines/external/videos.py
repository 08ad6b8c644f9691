"""Finished videos as a model: one file, or folder of frames, per clip."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from baselines.levels import from_levels
from baselines.predictor import ClipEnd, ModelError, MotionMode, PairBatch, Predictor
from protocols.clip_sampling import notices_on_times
from protocols.clips import EARLY, shown_at
from protocols.content import content_sha256
from protocols.custom_dataset import FAILED, open_dataset
from protocols.datasets import Dataset
from protocols.errors import BenchError
from protocols.folder import some
from protocols.images import resize
from protocols.matching import match, stem
from protocols.pairs import FrameRef
from protocols.protocol import MODES
from protocols.words import counted

NAME = "videos"  # name of its data set


class VideosFolder(Predictor):
    """Read a folder of videos, a folder of frame folders (25 frames per second), or one video.

    Clips are matched by name (`protocols.matching`). Each requested frame is the one shown in the finished clip at that
    time, resized (Lanczos) to the protocol's size if needed. ``failed.csv`` in the folder, with the columns clip and
    reason, states why a clip has no video. Every motion mode is accepted, since only the user knows the videos' mode.
    """

    name = "videos"
    motion_modes = MODES
    driven_by = None

    def __init__(self, place: Path):
        self.place = place.expanduser()
        if not self.place.exists():
            raise ModelError(f"videos:{place}: no such folder or file", code="missing-folder")
        try:
            self.dataset: Dataset = open_dataset(NAME, self.place)
            self.clips = self.dataset.clips()
        except BenchError as error:
            raise ModelError(f"videos:{place}: {error}", code=error.code) from None
        self.found: Mapping[str, str] = {}
        self._failed = _read_failed(self.place / FAILED)
        self._reasons: dict[str, str] = {}
        self._times: list[str] = []
        self._shown: dict[str, tuple[list[str], list[float], float]] = {}

    def expect_clips(self, clips: Mapping[str, Sequence[str]]) -> list[str]:
        """Match the clips; return notices.

        Raises ModelError if none is found, and DataError if names match twice or frames have no times.
        """
        if len(self.clips) == len(clips) == 1:  # two single videos match whatever their names
            self.found = dict(zip(clips, self.clips))
            self._times = self._notices_on_times()
            return []
        matched = match(clips, self.clips)
        if not matched.found:
            looked = next(iter(clips.values()))[0]
            raise ModelError(
                f"videos:{self.place} has none of the {len(clips)} clips: expected {looked}, found {self.clips[0]}",
                code="missing-videos",
            )
        self.found = matched.found
        for clip in matched.unanswered:
            told = (self._failed[stem(name)] for name in clips[clip] if stem(name) in self._failed)
            if reason := next(told, None):
                self._reasons[clip] = reason
        self._times = self._notices_on_times()
        lines = []
        if matched.affix:
            lines.append(f"videos:{self.place}: names are matched without their {matched.affix}")
        lacking, n = matched.unanswered, len(clips)
        if lacking:
            lines.append(f"videos:{self.place}: no video for {len(lacking)} of {n} clips: {some(lacking)}")
        if over := matched.left_over:
            lines.append(f"videos:{self.place}: {counted(len(over), 'video')} without a clip: {some(over)}")
        return lines

    def notices(self) -> list[str]:
        """Return a line on each kind of file in the folder that is not read, and on times that no file states."""
        return [*self.dataset.left_out(), *self._times]

    def clip_end(self, clip: str) -> ClipEnd | None:
        name = self.found.get(clip)
        if name is None:
            return ClipEnd(0.0, self._reasons.get(clip, f"no video of this name in {self.place}"))
        end = self.dataset.end(name)
        return ClipEnd(end, f"{name} ends after {end:.3f} s")

    def sound_file(self, clip: str) -> Path | None:
        name = self.found.get(clip)
        return None if name is None else self.dataset.sound_file(name)

    def predict(self, batch: PairBatch, mode: MotionMode) -> Tensor:
        """Return the frames. Raises ModelError for pairs without a clip, DataError for an unreadable frame."""
        frames = torch.full_like(batch.driving, torch.nan)
        for i, info in enumerate(batch.info):
            clip, time = info.get("clip"), info.get("time")
            if not clip or time is None:
                raise ModelError(
                    f"videos:{self.place} has whole clips, but this protocol needs single pairs", code="wrong-protocol"
                )
            if (name := self.found.get(str(clip))) is not None:
                image = self._frame(name, float(time), batch.driving[i])
                if image is not None:
                    frames[i] = from_levels(torch.from_numpy(image)).permute(2, 0, 1)
        return frames

    def why_missing(self, pair: str) -> str:
        return f"videos:{self.place} has no frame for it"

    def describe(self) -> dict[str, Any]:
        refs = [self._ref(clip, frame) for clip in self.clips for frame in self.dataset.frames(clip)]
        return {
            "sample_weights": False,
            "weights_file": None,
            "weights_sha256": None,
            "folder": str(self.place),
            "frames": len(refs),
            "frames_sha256": content_sha256(refs, {NAME: self.dataset})[0],
        }

    def _notices_on_times(self) -> list[str]:
        """Raises DataError if the frames of a matched clip have no known times."""
        if not self.dataset.assumed_rate:
            return []
        for clip in self.found.values():
            self.dataset.times(clip)
        frames = {clip: self.dataset.frames(clip) for clip in self.found.values()}
        return notices_on_times(f"videos:{self.place}", self.dataset.rate, frames)

    def _frame(self, name: str, time: float, like: Tensor) -> np.ndarray | None:
        """Return the frame that is shown at a time; None from the clip's end."""
        if name not in self._shown:  # only of the current clip
            self._shown = {name: (self.dataset.frames(name), self.dataset.times(name), self.dataset.end(name))}
        names, times, end = self._shown[name]
        if time >= end - EARLY:
            return None
        image = self.dataset.original(self._ref(name, names[shown_at(times, time)]))
        return np.ascontiguousarray(resize(image, *like.shape[1:]))

    def _ref(self, clip: str, frame: str) -> FrameRef:
        return FrameRef(self.dataset.name, clip, frame)


def _read_failed(file: Path) -> dict[str, str]:
    """Return the reasons by the missing video's name without suffix. Raises ModelError if unreadable."""
    if not file.is_file():
        return {}
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            rows = csv.DictReader(stream, restval="")
            if not {"clip", "reason"} <= set(rows.fieldnames or ()):
                raise ModelError(f"{file} needs the columns clip and reason", code="missing-column")
            return {stem(row["clip"]): row["reason"] for row in rows if row["reason"]}
    except (UnicodeDecodeError, csv.Error) as error:
        raise ModelError(f"{file} cannot be read: {error}", code="unreadable-file") from None
