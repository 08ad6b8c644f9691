"""SyncNet on a clip, frame by frame, with only as many frames in memory as a track needs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from bench.detectors.syncnet import FILE, FPS, RATE, VSHIFT, SyncNet, read
from bench.detectors.weights import find_file
from bench.features.base import Feature
from bench.runtime.errors import UserError
from bench.sync import crops, shots, tracks
from bench.sync.clock import EvenClock
from bench.sync.finders import BlazeFaces, FaceFinder
from bench.sync.streaming import ActiveTrack, Distances, Frames, WindowFeatures
from protocols.files import short_hash
from protocols.sound import Sound

FACES, DETECTED, BOX = 0, 1, slice(2, 6)
DISTANCES = slice(6, 6 + 2 * VSHIFT + 1)


class SyncNetTrack(Feature):
    """The longest face track of a clip, and SyncNet's distances between it and the sound.

    25 rows per second, ``(M, 37)`` float64: number of faces; whether the track has a detection there (1) or is
    interpolated (0); its box x1, y1, x2, y2; and the distances of the window of five frames that starts there to the
    sound at 31 shifts from 15 frames early to 15 late. NaN without a track or window.

    Shots, tracks, crops and windows are those of syncnet_python (`bench.sync.shots`, `bench.sync.tracks`,
    `bench.sync.crops`). The differences: frames and sound are not compressed again, and the face detector.
    """

    name, shape, own_clock = "syncnet", (DISTANCES.stop,), True

    def __init__(self, net: SyncNet, weights: str, finder: FaceFinder | None = None) -> None:
        """Create the feature. weights: start of the weight file's SHA-256. finder: of faces; default: `BlazeFaces`."""
        self.net, self.weights, self.finder = net, weights, finder or BlazeFaces()

    @property
    def signature(self) -> str:
        track = f"iou:{tracks.IOU};gap:{tracks.GAP};detections:{tracks.DETECTIONS}+;size:{tracks.SIZE}+;track:longest"
        cut = f"median:{crops.MEDIAN};pad:{crops.GRAY};scale:{crops.SCALE}"
        clock = f"frames:nearest-at-{FPS};shots:hsv-{shots.THRESHOLD:.0f}"
        return f"{self.name};v:1;weights:{self.weights};{clock};finder:[{self.finder.signature}];{track};{cut}"

    def start(self, sound: Sound | None) -> _Recorder:
        return _Recorder(self.net, self.finder, sound)


class SyncNetFrames(Feature):
    """SyncNet's distances between whole frames and the sound, as in Wav2Lip's script for LRS.

    For clips that are face crops: every frame is resized to 224 x 224, without face detection. 25 rows per second,
    ``(M, 31)`` float64, like the distances of `SyncNetTrack`.
    """

    name, shape, own_clock = "syncnet-frames", (2 * VSHIFT + 1,), True

    def __init__(self, net: SyncNet, weights: str) -> None:
        """Create the feature. weights: start of the weight file's SHA-256."""
        self.net, self.weights = net, weights

    @property
    def signature(self) -> str:
        return f"{self.name};v:1;weights:{self.weights};frames:nearest-at-{FPS};crop:none;resize:bilinear-{crops.SIDE}"

    def start(self, sound: Sound | None) -> _FramesRecorder:
        return _FramesRecorder(self.net, sound)


def missing(weights: Path | None) -> list[str]:
    """Return what is missing for SyncNet, as text; empty if nothing is."""
    return [] if find_file(FILE, weights) else [f"{FILE} is not in the weights folder"]


def make(name: str, weights: Path | None, device: str = "cpu", finder: FaceFinder | None = None) -> Feature:
    """Create the feature "syncnet" or "syncnet-frames" with the weights of the weights folder.

    Raises UserError if they are missing or of another network.
    """
    file = find_file(FILE, weights)
    if file is None:
        raise UserError("; ".join(missing(weights)), code="missing-weights")
    net, digits = read(file, device), short_hash(file)
    return SyncNetTrack(net, digits, finder) if name == SyncNetTrack.name else SyncNetFrames(net, digits)


class _Recorder:
    """See `SyncNetTrack`."""

    def __init__(self, net: SyncNet, finder: FaceFinder, sound: Sound | None) -> None:
        self._net, self._finder, self._sound = net, finder, _at_rate(sound)
        self._clock, self._tracker, self.frames = EvenClock(FPS), tracks.Tracker(), Frames()
        self._shots = shots.Shots()
        self._live: dict[int, ActiveTrack] = {}
        self._faces: list[int] = []
        self._boxes: list[tracks.Box] = []
        self._boxes_of = -1  # index of the frame of these boxes
        self._best: tuple[tracks.Track, np.ndarray] | None = None
        self._other: tracks.Track | None = None  # the one with the most detections among those that do not qualify

    def add(self, frames: np.ndarray, times: np.ndarray) -> None:
        for number, frame in self._clock.add(frames, times):
            self._tick(number, frame)

    def finish(self) -> np.ndarray:
        for number, frame in self._clock.finish():
            self._tick(number, frame)
        for ended in self._tracker.finish():
            self._end(ended)
        rows = np.full((len(self._faces), DISTANCES.stop), np.nan)
        rows[:, FACES] = self._faces
        track = self._best[0] if self._best else self._other
        if track is not None:
            numbers, boxes = track.filled()
            rows[numbers, DETECTED] = np.isin(numbers, track.frames)
            rows[numbers, BOX] = boxes
        if self._best:
            first = self._best[0].frames[0]
            rows[first : first + len(self._best[1]), DISTANCES] = self._best[1]
        return rows

    def _tick(self, number: int, frame: np.ndarray) -> None:
        at, same = len(self._faces), number == self._boxes_of
        if not same:
            self._boxes, self._boxes_of = self._finder(frame), number
        if self._shots.cuts(frame):
            for cut in self._tracker.finish():
                self._end(cut)
        self._faces.append(len(self._boxes))
        self.frames.add(at, frame, same)
        grown, ended = self._tracker.add(at, self._boxes)
        for track in ended:
            self._end(track)
        for track, begins in grown:
            if begins:
                lips = WindowFeatures(self._net, Distances(self._net, self._sound, at)) if self._sound else None
                self._live[id(track)] = ActiveTrack(track, lips)
            self._live[id(track)].grow(self.frames)
        self.frames.forget(min((live.cropped for live in self._live.values()), default=at))

    def _end(self, track: tracks.Track) -> None:
        live = self._live.pop(id(track))
        if not track.long_enough or tracks.mean_size(track.filled()[1]) <= tracks.SIZE:
            if self._other is None or len(track.frames) > len(self._other.frames):
                self._other = track
            return
        if self._best is None or _length(track) > _length(self._best[0]):
            self._best = track, live.end(self.frames)


class _FramesRecorder:
    """See `SyncNetFrames`."""

    def __init__(self, net: SyncNet, sound: Sound | None) -> None:
        self._clock, self._ticks, known = EvenClock(FPS), 0, _at_rate(sound)
        self._lips = WindowFeatures(net, Distances(net, known, 0)) if known else None

    def add(self, frames: np.ndarray, times: np.ndarray) -> None:
        self._take(self._clock.add(frames, times))

    def finish(self) -> np.ndarray:
        self._take(self._clock.finish())
        rows = np.full((self._ticks, 2 * VSHIFT + 1), np.nan)
        if self._lips:
            found = self._lips.finish()
            rows[: len(found)] = found
        return rows

    def _take(self, ticks: Iterable[tuple[int, np.ndarray]]) -> None:
        for _, frame in ticks:
            self._ticks += 1
            if self._lips:
                self._lips.add(crops.resize(frame))


def _length(track: tracks.Track) -> int:
    return track.frames[-1] - track.frames[0] + 1


def _at_rate(sound: Sound | None) -> Sound | None:
    if sound is not None and sound.rate != RATE:
        raise ValueError(f"SyncNet needs sound at {RATE} Hz, got {sound.rate}")
    return sound
