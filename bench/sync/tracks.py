"""Link face boxes to tracks, as in syncnet_python's run_pipeline.py (commit 6efbb1c).

The script makes a pass over the whole video for each track. `Tracker` finds the same tracks in a single pass: the
script's next pass starts at the first unused box, so that its tracks are in the order of their first frames, and each
uses the boxes that earlier tracks left.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

IOU = 0.5  # minimum IoU of a box that continues a track
GAP = 25  # maximum number of frames between detections
DETECTIONS = 100  # a track has more detections
SIZE = 100  # pixels; the mean width or height of its boxes is larger

Box = Sequence[float] | np.ndarray  # x1, y1, x2, y2 in pixels


@dataclass
class Track:
    """One face over time.

    frames: index of each detection's frame, repeated if it has two boxes of a frame. boxes: ``(4,)`` each.
    """

    frames: list[int] = field(default_factory=list)
    boxes: list[np.ndarray] = field(default_factory=list)

    @property
    def long_enough(self) -> bool:
        """Return whether it has enough detections, without interpolated frames."""
        return len(self.frames) > DETECTIONS

    def ended(self, frame: int) -> bool:
        """Return whether a box in this frame is too late to continue it."""
        return frame - self.frames[-1] > GAP

    def filled(self) -> tuple[np.ndarray, np.ndarray]:
        """Return frames ``(n,)`` from first to last, and boxes ``(n, 4)``, interpolated between detections."""
        boxes = [self.boxes[0][None]]
        for k in range(1, len(self.frames)):
            boxes.append(between(self.frames[k - 1], self.boxes[k - 1], self.frames[k], self.boxes[k]))
        return np.arange(self.frames[0], self.frames[-1] + 1), np.concatenate(boxes)


def between(first: int, start: np.ndarray, last: int, end: np.ndarray) -> np.ndarray:
    """Return boxes of the frames after `first` up to `last`, ``(last - first, 4)``; none if both are the same."""
    steps = np.arange(1, last - first + 1)[:, None]
    return (end - start) / max(last - first, 1) * steps + start


def mean_size(boxes: np.ndarray) -> float:
    """Return the larger of mean width and mean height of boxes ``(n, 4)``."""
    return float(max((boxes[:, 2] - boxes[:, 0]).mean(), (boxes[:, 3] - boxes[:, 1]).mean()))


def iou(one: Box, other: Box) -> float:
    """Return the intersection over union of two boxes, with widths x2 - x1."""
    width = max(0, min(one[2], other[2]) - max(one[0], other[0]))
    height = max(0, min(one[3], other[3]) - max(one[1], other[1]))
    inter = width * height
    union = (one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1]) - inter
    return inter / union if union else 0.0


class Tracker:
    """Links boxes frame by frame."""

    def __init__(self) -> None:
        self._open: list[Track] = []  # in the order of their first frames

    def add(self, frame: int, boxes: Iterable[Box]) -> tuple[list[tuple[Track, bool]], list[Track]]:
        """Add the boxes of the next frame.

        Return the tracks that got a box, each with whether it starts here, and those that no later box can continue.
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
        """End and return all active tracks."""
        ended, self._open = self._open, []
        return ended


def link(boxes: Iterable[tuple[int, Iterable[Box]]]) -> list[Track]:
    """Return all long and large enough tracks of (frame index, boxes), in the order of their first frames."""
    tracker, found = Tracker(), []
    for frame, faces in boxes:
        found += [track for track, begins in tracker.add(frame, faces)[0] if begins]
    return [track for track in found if track.long_enough and mean_size(track.filled()[1]) > SIZE]


def _walk(track: Track, frame: int, left: list[np.ndarray]) -> bool:
    """Move boxes that continue the track from `left` into it; return whether there were any.

    The script removes boxes from the list over which it iterates, and so skips the one after each.
    """
    before, place = len(track.frames), 0
    while place < len(left):
        if not track.frames or iou(left[place], track.boxes[-1]) > IOU:
            track.frames.append(frame)
            track.boxes.append(left.pop(place))
        place += 1
    return len(track.frames) > before
