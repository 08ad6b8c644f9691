"""Boxes of faces, frame by frame, to face tracks, as syncnet_python's run_pipeline.py (commit 6efbb1c) links them.

The script runs over the whole video once a track. `Tracker` finds the same tracks in one pass over the frames: the
script's next run starts at the first box that the runs before left, so its tracks are in the order of their beginnings,
and each takes from a frame what those before it left there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

IOU = 0.5  # above which a box continues a track
GAP = 25  # frames from one detection to the next, at most
DETECTIONS = 100  # a track has more
SIZE = 100  # pixels; the mean width or height of its boxes is more

Box = Sequence[float] | np.ndarray  # x1, y1, x2, y2 in pixels


@dataclass
class Track:
    """One face over time.

    frames: number of each detection's frame; twice the same where it took two boxes of a frame. boxes: ``(4,)`` each.
    """

    frames: list[int] = field(default_factory=list)
    boxes: list[np.ndarray] = field(default_factory=list)

    @property
    def long_enough(self) -> bool:
        """Whether it has enough detections; frames between them do not count."""
        return len(self.frames) > DETECTIONS

    def ended(self, frame: int) -> bool:
        """Whether a box in this frame comes too late for it."""
        return frame - self.frames[-1] > GAP

    def filled(self) -> tuple[np.ndarray, np.ndarray]:
        """Frames ``(n,)`` from the first to the last, and boxes ``(n, 4)``, linear between detections."""
        boxes = [self.boxes[0][None]]
        for k in range(1, len(self.frames)):
            boxes.append(between(self.frames[k - 1], self.boxes[k - 1], self.frames[k], self.boxes[k]))
        return np.arange(self.frames[0], self.frames[-1] + 1), np.concatenate(boxes)


def between(first: int, start: np.ndarray, last: int, end: np.ndarray) -> np.ndarray:
    """Boxes of the frames after `first` up to `last`, ``(last - first, 4)``; none where both are one frame."""
    steps = np.arange(1, last - first + 1)[:, None]
    return (end - start) / max(last - first, 1) * steps + start


def mean_size(boxes: np.ndarray) -> float:
    """The greater of mean width and mean height of boxes ``(n, 4)``."""
    return float(max((boxes[:, 2] - boxes[:, 0]).mean(), (boxes[:, 3] - boxes[:, 1]).mean()))


def iou(one: Box, other: Box) -> float:
    """Intersection over union of two boxes; no pixel is added to widths and heights."""
    width = max(0, min(one[2], other[2]) - max(one[0], other[0]))
    height = max(0, min(one[3], other[3]) - max(one[1], other[1]))
    inter = width * height
    union = (one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1]) - inter
    return inter / union if union else 0.0


class Tracker:
    """Links boxes, one frame after the other."""

    def __init__(self) -> None:
        self._open: list[Track] = []  # in the order of their beginnings

    def add(self, frame: int, boxes: Iterable[Box]) -> tuple[list[tuple[Track, bool]], list[Track]]:
        """Take the boxes of the next frame.

        Returns the tracks that got a box, each with whether it begins here, and those that no later box can continue.
        """
        left = [np.asarray(box, dtype=np.float64) for box in boxes]
        ended = [track for track in self._open if track.ended(frame)]
        self._open = [track for track in self._open if not track.ended(frame)]
        grown = [(track, False) for track in self._open if _walk(track, frame, left)]
        while left:
            track = Track()
            _walk(track, frame, left)
            self._open.append(track)
            grown.append((track, True))
        return grown, ended

    def finish(self) -> list[Track]:
        """End all tracks that are not ended yet, and return them."""
        ended, self._open = self._open, []
        return ended


def link(boxes: Iterable[tuple[int, Iterable[Box]]]) -> list[Track]:
    """All tracks of (frame number, its boxes), that are long and large enough, in the order of their beginnings."""
    tracker, found = Tracker(), []
    for frame, faces in boxes:
        found += [track for track, begins in tracker.add(frame, faces)[0] if begins]
    return [track for track in found if track.long_enough and mean_size(track.filled()[1]) > SIZE]


def _walk(track: Track, frame: int, left: list[np.ndarray]) -> bool:
    """Move what continues the track from `left` into it; whether anything did.

    The script removes boxes from the list that it walks along, so it skips the one after each that it takes.
    """
    before, place = len(track.frames), 0
    while place < len(left):
        if not track.frames or iou(left[place], track.boxes[-1]) > IOU:
            track.frames.append(frame)
            track.boxes.append(left.pop(place))
        place += 1
    return len(track.frames) > before
