"""Faces of a clip as they come: frames that are still needed, crops of tracks that go on, features of windows."""

from __future__ import annotations

from collections import deque

import numpy as np
import torch

from bench.detectors.syncnet import SPAN, SyncNet, lip_features
from bench.sync import crops, scores, tracks

HELD = 128  # crops that a track keeps before it is known to be long enough


class Lips:
    """Crops, one after the other, to features of windows of five; always the same twenty windows at a time."""

    def __init__(self, net: SyncNet) -> None:
        self._net = net
        self._crops: list[np.ndarray] = []
        self._done: list[np.ndarray] = []

    def add(self, crop: np.ndarray, hold: int = 0) -> None:
        """Take the next crop. hold: crops that may wait before any are computed."""
        self._crops.append(crop)
        if len(self._crops) >= max(hold, scores.BATCH + SPAN - 1):
            self._compute(final=False)

    def finish(self) -> np.ndarray:
        """Features ``(crops - 4, 1024)`` float32; none of fewer than five."""
        self._compute(final=True)
        return np.concatenate(self._done) if self._done else np.zeros((0, 1), np.float32)

    def _compute(self, final: bool) -> None:
        while (windows := len(self._crops) - SPAN + 1) >= (1 if final else scores.BATCH):
            count = min(windows, scores.BATCH)
            faces = torch.from_numpy(np.stack(self._crops[: count + SPAN - 1]))
            with torch.inference_mode():
                self._done.append(self._net.lip(lip_features(self._net, faces, count)).cpu().numpy())
            del self._crops[:count]


class Live:
    """A track that may go on: what of it is cropped, and what waits for the six positions after."""

    def __init__(self, track: tracks.Track, lips: Lips | None) -> None:
        self.track, self.lips = track, lips
        self.cropped = track.frames[0]  # the next frame that is to be cropped
        self._smoothing, self._taken = crops.Smoothing(), 0

    def grow(self, frames: Frames) -> None:
        """Go on to the track's newest detections."""
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
        """Crop what was waiting; features of all windows."""
        count = self.track.frames[-1] - self.track.frames[0] + 1
        self._crop(self._smoothing.finish(count), frames)
        return self.lips.finish() if self.lips else np.zeros((0, 1), np.float32)

    def _crop(self, places: list[np.ndarray], frames: Frames) -> None:
        for half, x, y in places:
            if self.lips:
                hold = 0 if self.track.long_enough else HELD
                self.lips.add(crops.crop(frames[self.cropped], half, x, y), hold)
            self.cropped += 1


class Frames:
    """The last frames by their number on the even clock."""

    def __init__(self) -> None:
        self._kept: deque[tuple[int, np.ndarray]] = deque()

    def add(self, number: int, frame: np.ndarray, same: bool) -> None:
        """Keep a frame; `same`: it is the one before again."""
        self._kept.append((number, self._kept[-1][1] if same and self._kept else frame.copy()))

    def __getitem__(self, number: int) -> np.ndarray:
        return self._kept[number - self._kept[0][0]][1]

    def forget(self, before: int) -> None:
        """Drop the frames before this number."""
        while self._kept and self._kept[0][0] < before:
            self._kept.popleft()

    def __len__(self) -> int:
        return len(self._kept)
