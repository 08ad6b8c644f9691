"""Clip lists: whole videos that models must make, without paths, with a hash of their content."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from protocols import frozen_file
from protocols.errors import DataError
from protocols.frozen_file import Head
from protocols.pairs import WHOLE_CLIP, FrameRef, Pair, PairList, safe_id
from protocols.template import back_and_forth

FORMAT = "talking-head-bench clips 1"
COLUMNS = ("id", "source", "driving", "target", "sound", "start", "end", "rate", "source_identity", "driving_identity")
TEMPLATE_FORMAT = "talking-head-bench clips 2"  # of lists with a clip that sound drives
TEMPLATE_COLUMNS = ("template", "template_end")
_WITH_TEMPLATE = (TEMPLATE_FORMAT, (*COLUMNS, *TEMPLATE_COLUMNS))
EARLY = 1e-6  # tolerance in seconds, since times are rounded

# The frame names of a clip in order of time, and when each is shown, in seconds from the first.
Frames = Callable[[FrameRef], tuple[Sequence[str], Sequence[float]]]


@dataclass(frozen=True, slots=True)
class Clip:
    """One task: animate `source` with all of `driving`, or with its sound.

    id: unique in its list, safe as a file name. source: a frame, or the first of a whole clip (``*``). driving: a whole
    clip, whose frames define motion and times. target: the true result, a whole clip frame by frame with `driving`, if
    it exists. sound: the clip with the result's sound; None for `driving`.
    start, end: requested seconds of `driving`; an end of None: its end. rate: requested frames per second; None for
    every frame.
    template, template_end: for a clip driven by sound: seconds of `source` (then a whole clip) whose frames are the
    template, played back and forth (`template.back_and_forth`), at `rate` if set; an end of None: of the clip. A
    template of None: frames drive it.
    """

    id: str
    source: FrameRef
    driving: FrameRef
    target: FrameRef | None
    sound: FrameRef | None
    source_identity: str
    driving_identity: str
    start: float = 0.0
    end: float | None = None
    rate: float | None = None
    template: float | None = None
    template_end: float | None = None

    @property
    def driven_by(self) -> Literal["frames", "sound"]:
        """Return what drives the motion: the driving clip's frames, or its sound."""
        return "frames" if self.template is None else "sound"

    def __post_init__(self) -> None:
        if not safe_id(self.id):
            raise DataError(
                f"clip id {self.id[:40]!r}: up to 200 letters, digits and ._+- only, no leading dot", code="bad-name"
            )
        for name in ("driving", "target", "sound"):
            ref = getattr(self, name)
            if ref is not None and ref.frame != WHOLE_CLIP:
                raise DataError(f"clip {self.id}: {name} {ref} is a frame, not a whole clip", code="bad-row")
        if not (math.isfinite(self.start) and self.start >= 0):
            raise DataError(f"clip {self.id}: start is {self.start}, must be 0 or more", code="bad-number")
        if self.end is not None and not (math.isfinite(self.end) and self.end > self.start):
            raise DataError(f"clip {self.id}: end is {self.end}, must be after its start", code="bad-number")
        if self.rate is not None and not (math.isfinite(self.rate) and 0 < self.rate <= 1000):
            raise DataError(f"clip {self.id}: rate is {self.rate}, must be above 0 and up to 1000", code="bad-number")
        self._check_template()

    def _check_template(self) -> None:
        begin, end = self.template, self.template_end
        if begin is None:
            if end is not None:
                raise DataError(f"clip {self.id}: template_end without template", code="bad-row")
            return
        if self.source.frame != WHOLE_CLIP:
            raise DataError(f"clip {self.id}: a template, but source {self.source} is a frame", code="bad-row")
        if not (math.isfinite(begin) and begin >= 0):
            raise DataError(f"clip {self.id}: template is {begin}, must be 0 or more", code="bad-number")
        if end is not None and not (math.isfinite(end) and end > begin):
            raise DataError(f"clip {self.id}: template_end is {end}, must be after template", code="bad-number")

    def row(self) -> list[str]:
        """Return the clip as text in the order of `COLUMNS`, or `TEMPLATE_COLUMNS` if it has a template."""
        refs = ("" if ref is None else str(ref) for ref in (self.source, self.driving, self.target, self.sound))
        numbers = (_text(value) for value in (self.start, self.end, self.rate))
        template = [] if self.template is None else [_text(self.template), _text(self.template_end)]
        return [self.id, *refs, *numbers, self.source_identity, self.driving_identity, *template]

    @classmethod
    def from_row(cls, row: Sequence[str]) -> Clip:
        """Return the clip of a `row`; the last two cells may be empty. Raises DataError."""
        template: Sequence[str] = ("", "")
        if len(row) == len(COLUMNS) + len(TEMPLATE_COLUMNS):
            row, template = row[: len(COLUMNS)], row[len(COLUMNS) :]
        if len(row) != len(COLUMNS):
            raise DataError(f"{len(row)} columns, expected {len(COLUMNS)}", code="bad-row")
        identifier, *refs = row[:5]
        source, driving, target, sound = (FrameRef.parse(text) if text else None for text in refs)
        if source is None or driving is None:
            raise DataError(f"clip {identifier} lacks its source or driving clip", code="bad-row")
        try:
            start, end, rate, begin, stop = (float(text) if text else None for text in (*row[5:8], *template))
        except ValueError:
            raise DataError(f"clip {identifier}: its times and rate must be numbers", code="bad-number") from None
        return cls(identifier, source, driving, target, sound, row[8], row[9], start or 0.0, end, rate, begin, stop)


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"


@dataclass(frozen=True)
class ClipList:
    """Clips in order. `sha256` covers only the clips, not name, version or provenance."""

    name: str
    version: int
    clips: tuple[Clip, ...]
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.clips:
            raise DataError(f"clip list {self.name} is empty", code="no-pairs")
        seen: set[str] = set()
        for clip in self.clips:
            if clip.id in seen:
                raise DataError(f"clip list {self.name}: id {clip.id} occurs twice", code="duplicate-pair")
            seen.add(clip.id)

    def __len__(self) -> int:
        return len(self.clips)

    @cached_property
    def sha256(self) -> str:
        """Return the SHA-256 over the rows, each as a JSON array on one line."""
        return frozen_file.rows_sha256(clip.row() for clip in self.clips)

    def head(self, n: int) -> ClipList:
        """Return the first `n` clips."""
        if n < 1:
            raise DataError(f"at least one clip is needed, not {n}", code="no-pairs")
        if n >= len(self.clips):
            return self
        return replace(self, clips=self.clips[:n], provenance={**self.provenance, "first": n, "of": self.sha256})

    def datasets(self) -> list[str]:
        """Return the names of the clips' data sets."""
        refs = (ref for clip in self.clips for ref in (clip.source, clip.driving, clip.target, clip.sound))
        return list(dict.fromkeys(ref.dataset for ref in refs if ref is not None))

    def write(self, path: Path) -> None:
        """Write the frozen list: a CSV file below a comment line of JSON. Raises like `PairList.write`."""
        head = Head(self.name, self.version, len(self), self.sha256, self.provenance)
        rows = [clip.row() for clip in self.clips]
        width = max(map(len, rows))  # lists without templates keep their format
        form, columns = (FORMAT, COLUMNS) if width == len(COLUMNS) else _WITH_TEMPLATE
        frozen_file.write(path, form, columns, head, (row + [""] * (width - len(row)) for row in rows))

    @classmethod
    def read(cls, path: Path) -> ClipList:
        """Read a frozen list. Raises DataError if it is not one, or if its content does not match its hash."""
        forms = dict([(FORMAT, COLUMNS), _WITH_TEMPLATE])
        head, rows = frozen_file.read(path, forms, "clip list", code="not-a-clip-list")

        def made() -> ClipList:
            return cls(head.name, head.version, tuple(frozen_file.parsed(rows, Clip.from_row)), head.provenance)

        return frozen_file.unchanged(path, head, made)

    def pairs(self, frames: Frames, anchored: bool = False) -> PairList:
        """Return one pair per requested frame, with its clip and its time there.

        anchored: whether the first of the clip's frames is the anchor of all.
        Raises DataError if a clip has no frames in its range, if driving clip and target have different numbers of
        frames, or if a clip's id is also that of another clip's frame.
        """
        made = tuple(pair for clip in self.clips for pair in _pairs(clip, frames, anchored))
        if both := {clip.id for clip in self.clips}.intersection(pair.id for pair in made):
            raise DataError(
                f"clip list {self.name}: {min(both)} is a clip, and a frame of another one", code="duplicate-pair"
            )
        return PairList(self.name, self.version, made, {**self.provenance, "clips": self.sha256})


def _pairs(clip: Clip, frames: Frames, anchored: bool) -> list[Pair]:
    names, times = _listed(clip.driving, frames)
    targets: Sequence[FrameRef | None] = [None] * len(names)
    if clip.target is not None:
        other = names if clip.target == clip.driving else _listed(clip.target, frames)[0]
        if len(other) != len(names):
            raise DataError(
                f"clip {clip.id}: {len(names)} driving frames, but {len(other)} in the target clip",
                code="target-length",
            )
        targets = [replace(clip.target, frame=name) for name in other]
    chosen = requested_frames(times, clip.start, clip.end, clip.rate)
    if not chosen:
        raise DataError(f"clip {clip.id}: {clip.driving.clip} has no frame after {clip.start} s", code="unknown-frame")
    sources = _sources(clip, frames, len(chosen))
    first = chosen[0][0]
    anchor = replace(clip.driving, frame=names[first]) if anchored else None
    return [
        Pair(
            f"{clip.id}-{position:06d}",
            sources[position],
            replace(clip.driving, frame=names[number]),
            targets[number],
            anchor,
            clip.source_identity,
            clip.driving_identity,
            clip=clip.id,
            time=time,
        )
        for position, (number, time) in enumerate(chosen)
    ]


def _sources(clip: Clip, frames: Frames, count: int) -> list[FrameRef]:
    """Return the source of each requested frame: one frame for all, or the template's, played back and forth."""
    source = clip.source
    if source.frame != WHOLE_CLIP:
        return [source] * count
    names, times = _listed(source, frames)
    if clip.template is None:
        return [replace(source, frame=names[0])] * count
    numbers = [number for number, _ in requested_frames(times, clip.template, clip.template_end, clip.rate)]
    if not numbers:
        raise DataError(
            f"clip {clip.id}: {source.clip} has no frame for a template after {clip.template} s", code="unknown-frame"
        )
    template = [replace(source, frame=names[number]) for number in numbers]
    return [template[number] for number in back_and_forth(len(template), count)]


def requested_frames(
    times: Sequence[float], start: float, end: float | None, rate: float | None
) -> list[tuple[int, float]]:
    """Return the requested frames of a clip, and their times, in seconds from `start`.

    times: when the frames of the video are shown, ascending. rate: None for every frame from `start` to before `end`;
    else the frame shown at each point in time, from `start` at this rate.
    """
    stop = math.inf if end is None else end
    if rate is None:
        inside = [k for k, time in enumerate(times) if start - EARLY <= time < stop - EARLY]
        origin = start if start > 0 else (times[inside[0]] if inside else 0.0)
        return [(k, max(0.0, times[k] - origin)) for k in inside]
    usual = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 1 / rate
    stop = min(stop, times[-1] + usual)
    count = max(0, math.ceil((stop - start) * rate - EARLY))
    points = [k / rate for k in range(count)]
    return [(shown_at(times, start + point), point) for point in points]


def shown_at(times: Sequence[float], time: float) -> int:
    """Return the number of the frame shown at a time; 0 for a time before the first frame."""
    return max(0, bisect_right(times, time + EARLY) - 1)


def _listed(ref: FrameRef, frames: Frames) -> tuple[Sequence[str], Sequence[float]]:
    names, times = frames(ref)
    if not names:
        raise DataError(f"{ref.dataset}/{ref.clip}: no frames", code="unknown-frame")
    return names, times
