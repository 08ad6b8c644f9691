"""Choose the driving frame from which relative motion starts, by landmarks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from rich.console import Console
from rich.progress import Progress
from scipy.spatial import ConvexHull, QhullError

from bench import detectors
from bench.detectors.base import Detector
from bench.runtime.errors import UserError
from protocols import interruption
from protocols.errors import DataError
from protocols.folder import some
from protocols.pairs import FrameRef, Pair
from protocols.resolve import Resolved
from protocols.words import counted
from reports.schema.manifest import BestAnchors

Anchor = Literal["first", "best"]
ANCHORS: tuple[Anchor, ...] = get_args(Anchor)


class NoFace(UserError):
    """No face to compare; the message says where."""

    code = "no-face"


def nearest(photograph: np.ndarray, frames: Iterable[tuple[int, np.ndarray]], detector: Detector) -> int:
    """Return the number of the frame with the landmarks nearest to the photograph's, regardless of position and size.

    photograph: uint8 RGB ``(S, S, 3)``; frames: numbers with pictures of the same kind, read one by one. The distance
    is that of the demos of FOMM and TPSM: squared, between the points about their mean over the root of their hull's
    area. Of equally near frames it is the first. Frames without a face are skipped. Raises NoFace if the photograph or
    every frame has none.
    """
    wanted = _shape(photograph, detector)
    if wanted is None:
        raise NoFace("no face is found in the photograph")
    best, least = None, np.inf
    for number, frame in frames:
        shape = _shape(frame, detector)
        if shape is not None and (distance := float(((shape - wanted) ** 2).sum())) < least:
            best, least = number, distance
    if best is None:
        raise NoFace("no face is found in the driving video")
    return best


def _shape(frame: np.ndarray, detector: Detector) -> np.ndarray | None:
    points = detector.detect(frame[None])[0].values
    if points is None:
        return None
    try:
        area = ConvexHull(points).volume  # of a hull in the plane, its area
    except QhullError:  # all points on one line
        return None
    return (points - points.mean(0)) / np.sqrt(area)


def choose(anchor: Anchor, resolved: Resolved, cache: Path) -> Resolved:
    """Return the run with the requested anchors; notices and provenance name the frames.

    anchor: ``first`` changes nothing. ``best`` takes, for each clip, the driving frame `nearest` to its source by the
    embedded landmarks; a clip without a face keeps its first frame. cache: folder of the detection cache.
    Raises UserError if the run does not start relative motion from a frame of a clip.
    """
    if anchor == "first":
        return resolved
    if resolved.clips is None:
        raise UserError(
            f"--anchor {anchor}: only for protocols of whole clips; for single frames the pair list names the anchors",
            code="unused-option",
        )
    if any(pair.anchor is None for pair in resolved.pair_list.pairs):
        raise UserError(
            f"--anchor {anchor}: only for relative motion; add --mode relative or relative-adapt",
            code="unused-option",
        )
    detector = detectors.choose("embedded", None, kinds={"landmarks"}, cache=cache)["landmarks"]
    clips = {clip: list(pairs) for clip, pairs in groupby(resolved.pair_list.pairs, key=lambda pair: pair.clip)}
    anchors: dict[str, FrameRef] = {}
    kept: dict[str, list[str]] = {}
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Choosing anchors", total=len(resolved.pair_list))
        for clip, pairs in clips.items():
            try:
                anchors[clip] = _best(pairs, resolved, detector)
            except (NoFace, DataError) as error:
                kept.setdefault(str(error), []).append(clip)
            bar.advance(task, len(pairs))
    moved = tuple(replace(pair, anchor=anchors.get(pair.clip, pair.anchor)) for pair in resolved.pair_list.pairs)
    frames = {clip: str(anchors.get(clip, of_clip[0].anchor)) for clip, of_clip in clips.items()}
    notices = _notices(clips, anchors, kept, detector.name)
    return replace(
        resolved,
        pair_list=replace(resolved.pair_list, pairs=moved),
        notices=[*resolved.notices, *notices],
        provenance={
            **resolved.provenance,
            "best_anchors": BestAnchors(detector=detector.signature, frames=frames).content(),
        },
    )


def _best(pairs: Sequence[Pair], resolved: Resolved, detector: Detector) -> FrameRef:
    """Return the anchor of one clip. Raises NoFace, and DataError if the source cannot be read."""

    def read(ref: FrameRef) -> np.ndarray:
        return resolved.datasets[ref.dataset].frame(ref, resolved.frame_size)

    def readable() -> Iterator[tuple[int, np.ndarray]]:
        for number, pair in enumerate(pairs):
            interruption.check()
            try:
                yield number, read(pair.driving)
            except DataError:  # the run reports this frame
                continue

    return pairs[nearest(read(pairs[0].source), readable(), detector)].driving


def _notices(
    clips: dict[str, list[Pair]], anchors: dict[str, FrameRef], kept: dict[str, list[str]], name: str
) -> Iterator[str]:
    moved = sum(ref != clips[clip][0].anchor for clip, ref in anchors.items())
    yield (
        f"anchors: relative motion starts from the driving frame with the landmarks ({name}) nearest to the source's; "
        f"in {moved} of {len(clips)} clips this is not the first frame"
    )
    for why, names in kept.items():
        where = f"{counted(len(names), 'clip')} ({some(names)})"
        yield f"anchors: relative motion starts from the first frame in {where}: {why}"
