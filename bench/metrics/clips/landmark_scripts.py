"""Landmark distances as three public scripts compute them: different numbers for the same points.

None scales by the size of the face or rotates it: units are pixels of the script's crop. Points are ``(n, 68, 2)``, x
and y.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

import numpy as np

MOUTH = slice(48, 68)
FIRST = 96  # target frames that EAT's option keeps


class Video(NamedTuple):
    """One generated clip and its target, and the frames in which either has no face."""

    fake: np.ndarray
    real: np.ndarray
    missing: Collection[int] = ()
    real_missing: Collection[int] = ()


def distances(one: np.ndarray, other: np.ndarray, centered: bool = True) -> np.ndarray:
    """Return the distance of each point ``(n, K)``; centered: after subtracting each frame's mean over K."""
    if centered:
        one, other = one - one.mean(1, keepdims=True), other - other.mean(1, keepdims=True)
    return np.sqrt(((one - other) ** 2).sum(2))


def atvgnet(videos: Iterable[Video]) -> tuple[float, int]:
    """Return the mean over all frames of all videos of the SUM of 20 distances, and the number of frames.

    ATVGnet's evaluation_matrix.py (commit 02d8f8f). Frames that lack a face in either are left out.
    """
    sums = []
    for video in videos:
        both = range(min(len(video.fake), len(video.real)))
        fake, real = _points(video, _valid(video, both, both))
        sums.append(distances(fake[:, MOUTH], real[:, MOUTH]).sum(1))
    every = np.concatenate(sums)
    return float(every.mean()), len(every)


def radnerf(videos: Iterable[Video], points: slice = MOUTH) -> tuple[float, int]:
    """Return the mean over all frames of all videos of the mean distance in float32, and the number of frames.

    RAD-NeRF's LMDMeter (commit 0de5ed2): over the length of the shorter video; every frame needs a face.
    """
    means = []
    for video in videos:
        count = min(len(video.fake), len(video.real))
        fake, real = (side[:count].astype(np.float32)[:, points] for side in (video.fake, video.real))
        means.append(distances(fake, real).mean(1))
    every = np.concatenate(means)
    return float(every.mean()), len(every)


def eat(video: Video, first: bool = False) -> np.ndarray | None:
    """Return mouth distance, mouth velocity distance, face distance and face velocity distance ``(4,)`` of one video.

    EAT's test_lmd.py (commit e39b004); None where no frame is valid. A set's value is the mean over the other videos.
    The longer video is subsampled evenly. Velocities are differences of points that are not centered, between
    consecutive valid frames even if invalid ones are between them, divided by the number of frames, not of differences.
    The face velocity is the mouth's sum over 68, a mistake of the script. first: cut the target to its first 96 frames.
    """
    if first:
        video = video._replace(real=video.real[:FIRST])
    count = min(len(video.fake), len(video.real))
    places = [np.linspace(0, len(side), count, endpoint=False).astype(int) for side in (video.fake, video.real)]
    fake, real = _points(video, _valid(video, *places))
    if not len(fake):
        return None
    n = len(fake)
    moved = distances(np.diff(fake[:, MOUTH], axis=0), np.diff(real[:, MOUTH], axis=0), centered=False)
    mouth, face = distances(fake[:, MOUTH], real[:, MOUTH]), distances(fake, real)
    return np.array([mouth.mean(1).sum(), moved.mean(1).sum(), face.mean(1).sum(), moved.sum() / 68]) / n


def _valid(video: Video, fake: Iterable[int], real: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Return the frames of both that correspond and have a face."""
    for one, other in zip(fake, real):
        if one not in video.missing and other not in video.real_missing:
            yield int(one), int(other)


def _points(video: Video, places: Iterable[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    chosen = np.array(list(places), dtype=int).reshape(-1, 2)
    return video.fake[chosen[:, 0]].astype(np.float64), video.real[chosen[:, 1]].astype(np.float64)
