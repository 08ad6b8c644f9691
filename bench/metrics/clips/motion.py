"""Motion over a clip: head pose, velocity and acceleration of landmarks against the truth's, how much moves at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from bench.metrics.clips.base import ClipDefinition, ClipValue, Role, Tracks
from bench.metrics.clips.frames import mean_of, steps
from bench.metrics.families import FAMILIES

LANDMARKS, POSE = "landmarks", "headpose"


def pose_distance(tracks: Tracks) -> ClipValue:
    """Mean absolute difference of pitch, yaw and roll to the driving clip's, degrees.

    The papers' APD compares coefficients of a 3D model that is not public; this one compares angles.
    """
    difference = (tracks.generated[POSE] - tracks.driving[POSE] + 180) % 360 - 180
    return mean_of(np.abs(difference).mean(1), len(difference))


def velocity_distance(tracks: Tracks) -> ClipValue:
    """Mean distance of the landmarks' velocities to the truth's, pixels a second (LVD, with the face's own motion)."""
    return _moving(tracks, 1)


def jitter(tracks: Tracks) -> ClipValue:
    """Mean length of the landmarks' acceleration over that of the truth: above 1 the video trembles more."""
    made, truth = (_lengths(side[LANDMARKS], tracks.times, 2) for side in (tracks.generated, tracks.target))
    both = np.isfinite(made) & np.isfinite(truth)
    if not both.any():
        return ClipValue.none("no three neighboring frames with a face in both clips", len(made))
    below = truth[both].mean()
    if below == 0:
        return ClipValue.none("the true clip stands still", int((~both).sum()))
    return ClipValue(float(made[both].mean() / below), None, int(both.sum()), int((~both).sum()))


def dynamic_degree(tracks: Tracks) -> ClipValue:
    """Mean over points of the standard deviation of where they are, over time, pixels: how much moves at all."""
    made = tracks.generated[LANDMARKS]
    known = np.isfinite(made.reshape(len(made), -1)).all(1)
    if known.sum() < 2:
        return ClipValue.none("fewer than two frames with a face", len(made))
    spread = np.sqrt(made[known].var(0).sum(1)).mean()
    return ClipValue(float(spread), None, int(known.sum()), int((~known).sum()))


def _moving(tracks: Tracks, order: int) -> ClipValue:
    made, truth = (steps(side[LANDMARKS], tracks.times, order) for side in (tracks.generated, tracks.target))
    return mean_of(
        np.linalg.norm(made - truth, axis=2).mean(1), len(made), "no two neighboring frames with a face in both clips"
    )


def _lengths(track: np.ndarray, times: np.ndarray, order: int) -> np.ndarray:
    return np.linalg.norm(steps(track, times, order), axis=2).mean(1)


def _definition(
    name: str,
    against: Role,
    kind: str,
    params: Mapping[str, Any],
    summary: str,
    compute: Callable[[Tracks], ClipValue],
) -> ClipDefinition:
    known = FAMILIES[name]
    scale = {"scale": "width-256"} if kind == LANDMARKS else {}
    return ClipDefinition(
        name,
        known.name,
        known.version,
        known.higher_is_better,
        known.unit,
        against,
        {**scale, "failed": "left-out-and-counted", **params},
        summary,
        compute,
        kinds={kind: ()},
    )


DEFINITIONS = [
    _definition(
        "pose-distance", "driving", POSE, {"angles": "pitch-yaw-roll"}, "difference of the head's angles", pose_distance
    ),
    _definition(
        "landmark-velocity",
        "target",
        LANDMARKS,
        {"points": 68},
        "distance of the landmarks' velocities",
        velocity_distance,
    ),
    _definition(
        "jitter", "target", LANDMARKS, {"points": 68}, "acceleration of the landmarks over the truth's", jitter
    ),
    _definition(
        "dynamic-degree",
        "none",
        LANDMARKS,
        {"points": 68},
        "how far the landmarks move about their means",
        dynamic_degree,
    ),
]
