"""Decode confidence maps and part affinity fields to one person's joints (Cao et al., CVPR 2017, Secs. 2.3 and 2.4).

Joints in COCO's order with a neck: nose, neck, right shoulder, elbow, wrist, left shoulder, elbow, wrist, right hip,
knee, ankle, left hip, knee, ankle, right eye, left eye, right ear, left ear.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter

JOINTS = 18
# (joint, joint, channels of the field's x and y), in the order in which limbs are joined to people.
LIMBS = (
    *((1, 2, 12, 13), (1, 5, 20, 21), (2, 3, 14, 15), (3, 4, 16, 17), (5, 6, 22, 23), (6, 7, 24, 25)),
    *((1, 8, 0, 1), (8, 9, 2, 3), (9, 10, 4, 5), (1, 11, 6, 7), (11, 12, 8, 9), (12, 13, 10, 11)),
    *((1, 0, 28, 29), (0, 14, 30, 31), (14, 16, 34, 35), (0, 15, 32, 33), (15, 17, 36, 37)),
    *((2, 16, 18, 19), (5, 17, 26, 27)),
)
FIRST_EXTRA = 17  # the last two limbs extend people but start none
SIGMA, PEAK = 3.0, 0.1  # of the smoothing before peak detection; minimum confidence of a peak
SAMPLES, LINK, AGREE = (
    10,
    0.05,
    0.8,
)  # points along a limb; minimum agreement at a point; share of points that must reach it
FEWEST, WORST = 4, 0.4  # minimum number of joints of a person, and score per joint


@dataclass
class Person:
    """One person. peaks: joint to the index of its peak. score: sum over joints and limbs."""

    peaks: dict[int, int] = field(default_factory=dict)
    score: float = 0.0


def best_person(maps: np.ndarray, fields: np.ndarray) -> np.ndarray | None:
    """Return joints ``(18, 2)`` float64 (x, y) of the person with the highest score, NaN if missing, or None.

    maps: ``(H, W, 18 or more)``, one channel per joint. fields: ``(H, W, 38)``.
    """
    peaks = [find_peaks(maps[..., joint]) for joint in range(JOINTS)]
    people = assemble(peaks, [connect(peaks[a], peaks[b], fields[..., [x, y]]) for a, b, x, y in LIMBS])
    people = [one for one in people if len(one.peaks) >= FEWEST and one.score / len(one.peaks) >= WORST]
    if not people:
        return None
    chosen = max(people, key=lambda one: one.score)
    joints = np.full((JOINTS, 2), np.nan)
    for joint, peak in chosen.peaks.items():
        joints[joint] = peaks[joint][peak, :2]
    return joints


def find_peaks(confidence: np.ndarray) -> np.ndarray:
    """Return ``(P, 3)``: x, y and confidence of the local maxima of a map ``(H, W)``."""
    smooth = gaussian_filter(confidence, SIGMA)
    cross = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], dtype=bool)
    y, x = np.nonzero((smooth == maximum_filter(smooth, footprint=cross, mode="constant")) & (smooth > PEAK))
    return np.stack([x, y, confidence[y, x]], axis=1).astype(np.float64)


def connect(starts: np.ndarray, ends: np.ndarray, limb_field: np.ndarray) -> list[tuple[int, int, float]]:
    """Return (start, end, score) of one kind of limb, best first; each peak is in one limb at most.

    A limb's score is its mean agreement with the field ``(H, W, 2)``, reduced for limbs longer than half the frame's
    height.
    """
    candidates = []
    for i, start in enumerate(starts):
        for j, end in enumerate(ends):
            way = end[:2] - start[:2]
            length = float(np.hypot(*way))
            if length == 0:
                continue
            points = np.rint(np.linspace(start[:2], end[:2], SAMPLES)).astype(int)
            along = limb_field[points[:, 1], points[:, 0]] @ (way / length)
            score = float(along.mean()) + min(0.5 * len(limb_field) / length - 1, 0)
            if (along > LINK).mean() > AGREE and score > 0:
                candidates.append((score, i, j))
    taken: list[tuple[int, int, float]] = []
    for score, i, j in sorted(candidates, key=lambda one: (-one[0], one[1:])):
        if all(i != a and j != b for a, b, _ in taken):
            taken.append((i, j, score))
    return taken


def assemble(peaks: list[np.ndarray], limbs: list[list[tuple[int, int, float]]]) -> list[Person]:
    """Group limbs of all kinds to people: limbs that share a peak belong to one person."""
    people: list[Person] = []
    for number, ((a, b, _, _), found) in enumerate(zip(LIMBS, limbs)):
        for i, j, score in found:
            owners = [one for one in people if one.peaks.get(a) == i or one.peaks.get(b) == j]
            if len(owners) >= 2 and not owners[0].peaks.keys() & owners[1].peaks.keys():
                owners[0].peaks |= owners[1].peaks
                owners[0].score += owners[1].score + score
                people.remove(owners[1])
            elif owners:
                one = owners[0]
                if one.peaks.get(b) != j:
                    one.score += float(peaks[b][j, 2]) + score
                    one.peaks[b] = j
            elif number < FIRST_EXTRA:
                confidence = float(peaks[a][i, 2] + peaks[b][j, 2])
                people.append(Person({a: i, b: j}, confidence + score))
    return people
