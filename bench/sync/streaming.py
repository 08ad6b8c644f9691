"""Streaming over a clip: a buffer of frames, crops of active tracks, distances of windows."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bench.detectors.syncnet import FPS, RATE, SPAN, VSHIFT, SyncNet, lip_features, shifted_distances
from bench.sync import crops, scores, tracks
from protocols.sound import Sound

HELD = 128  # crops that a track buffers until it is long enough


class Distances:
    """Distances of a mouth's windows to the sound at 31 shifts, window by window.

    It stores the distances, and the features of windows with missing shifts only.
    """

    def __init__(self, net: SyncNet, sound: Sound, first: int) -> None:
        """Create it. first: frame on the even clock at which the first window starts."""
        begin = first / FPS
        self._net, self._limit = net, sound.available(begin) * FPS // RATE - SPAN
        self._sound = replace(sound, start=-round((begin - sound.start) * RATE) / RATE)
        self._done: list[np.ndarray] = []
        self._lips: Tensor | None = None  # of incomplete windows
        self._voice: Tensor | None = None  # of the windows from 15 before these
        self._next = self._seen = 0

    def add(self, lips: Tensor) -> None:
        """Add the features ``(n, 1024)`` of the next windows."""
        self._lips = lips if self._lips is None else torch.cat([self._lips, lips])
        self._seen += len(lips)
        self._compute(min(self._seen - 1, self._limit) - VSHIFT, None)

    def finish(self) -> np.ndarray:
        """Return distances ``(W, 31)`` float64 of the windows that count: all with sound except the last."""
        count = min(self._seen - 1, self._limit)
        self._compute(count, count)
        return np.concatenate(self._done) if self._done else np.zeros((0, 2 * VSHIFT + 1))

    def _compute(self, until: int, count: int | None) -> None:
        """Continue to window `until`. count: of all windows, if known; after it the sound is zeros."""
        if until <= self._next or self._lips is None:
            return
        now = until - self._next
        if self._voice is None:
            self._voice = self._lips.new_zeros(VSHIFT, self._lips.shape[1])
        have = self._next - VSHIFT + len(self._voice)
        wanted = until + VSHIFT
        last = wanted if count is None else min(wanted, count)
        if last > have:
            self._voice = torch.cat([self._voice, scores.voice(self._net, self._sound, have, last)])
        padded = F.pad(self._voice, (0, 0, 0, wanted - max(last, have)))
        self._done.append(shifted_distances(self._lips[:now], padded).double().numpy())
        self._lips, self._voice, self._next = self._lips[now:], self._voice[now:], until


class WindowFeatures:
    """Computes features of windows of five crops, in batches of twenty windows."""

    def __init__(self, net: SyncNet, distances: Distances) -> None:
        self._net, self._distances = net, distances
        self._crops: list[np.ndarray] = []

    def add(self, crop: np.ndarray, hold: int = 0) -> None:
        """Add the next crop. hold: number of crops to buffer."""
        self._crops.append(crop)
        if len(self._crops) >= max(hold, scores.BATCH + SPAN - 1):
            self._compute(final=False)

    def finish(self) -> np.ndarray:
        """See `Distances.finish`."""
        self._compute(final=True)
        return self._distances.finish()

    def _compute(self, final: bool) -> None:
        while (windows := len(self._crops) - SPAN + 1) >= (1 if final else scores.BATCH):
            count = min(windows, scores.BATCH)
            faces = torch.from_numpy(np.stack(self._crops[: count + SPAN - 1]))
            with torch.inference_mode():
                self._distances.add(self._net.lip(lip_features(self._net, faces, count)).cpu())
            del self._crops[:count]


class ActiveTrack:
    """An active track: its crops, and positions that wait for the next six."""

    def __init__(self, track: tracks.Track, lips: WindowFeatures | None) -> None:
        self.track, self.lips = track, lips
        self.cropped = track.frames[0]  # the next frame to crop
        self._smoothing, self._taken = crops.Smoothing(), 0

    def grow(self, frames: Frames) -> None:
        """Process the track's newest detections."""
        track = self.track
        while self._taken < len(track.frames):
            k = self._taken
            boxes = (
                track.boxes[0][None]
                if k == 0
                else tracks.between(track.frames[k - 1], track.boxes[k - 1], track.frames[k], track.boxes[k])
            )
            for values in crops.geometry(boxes):
                self._crop(self._smoothing.add(values), frames)
            self._taken += 1

    def end(self, frames: Frames) -> np.ndarray:
        """Crop the rest; return the distances of all windows, none without sound."""
        count = self.track.frames[-1] - self.track.frames[0] + 1
        self._crop(self._smoothing.finish(count), frames)
        return self.lips.finish() if self.lips else np.zeros((0, 2 * VSHIFT + 1))

    def _crop(self, places: list[np.ndarray], frames: Frames) -> None:
        for half, x, y in places:
            if self.lips:
                hold = 0 if self.track.long_enough else HELD
                self.lips.add(crops.crop(frames[self.cropped], half, x, y), hold)
            self.cropped += 1


class Frames:
    """A buffer of the last frames, by index on the even clock."""

    def __init__(self) -> None:
        self._kept: deque[tuple[int, np.ndarray]] = deque()

    def add(self, number: int, frame: np.ndarray, same: bool) -> None:
        """Add a frame. same: it repeats the previous one."""
        self._kept.append((number, self._kept[-1][1] if same and self._kept else frame.copy()))

    def __getitem__(self, number: int) -> np.ndarray:
        return self._kept[number - self._kept[0][0]][1]

    def forget(self, before: int) -> None:
        """Drop the frames before this index."""
        while self._kept and self._kept[0][0] < before:
            self._kept.popleft()

    def __len__(self) -> int:
        return len(self._kept)
