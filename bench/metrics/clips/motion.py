"""Motion over a clip: head pose, velocity and acceleration of landmarks compared with the target; amount of motion."""

from __future__ import annotations

import numpy as np

from bench.metrics.clips.base import ClipDefinition, ClipValue, Params, Tracks
from bench.metrics.clips.frames import mean_of, steps

LANDMARKS, POSE = "landmarks", "headpose"


def pose_distance(tracks: Tracks) -> ClipValue:
    """Return the mean absolute difference of pitch, yaw and roll to the driving clip, degrees.

    The papers' APD compares coefficients of a 3D model that is not public; this one compares angles.
    """
    difference = (tracks.generated[POSE] - tracks.driving[POSE] + 180) % 360 - 180
    return mean_of(np.abs(difference).mean(1), len(difference))


def velocity_distance(tracks: Tracks) -> ClipValue:
    """Return the mean distance of landmark velocities to the target's, pixels per second (LVD, with head motion)."""
    return _moving(tracks, 1)


def jitter(tracks: Tracks) -> ClipValue:
    """Return the mean length of the landmarks' acceleration over the target's: above 1 the video trembles more."""
    made, truth = (_lengths(side[LANDMARKS], tracks.times, 2) for side in (tracks.generated, tracks.target))
    both = np.isfinite(made) & np.isfinite(truth)
    if not both.any():
        return ClipValue.none("no three neighboring frames with a face in both clips", len(made))
    below = truth[both].mean()
    if below == 0:
        return ClipValue.none("the true clip does not move", int((~both).sum()))
    return ClipValue(float(made[both].mean() / below), None, int(both.sum()), int((~both).sum()))


def dynamic_degree(tracks: Tracks) -> ClipValue:
    """Return the standard deviation over time of the landmark positions, mean over points, pixels."""
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


_FAILED = {"failed": "left-out-and-counted"}
_POINTS: Params = {"scale": "width-256", **_FAILED, "points": 68}
_LANDMARKS = {LANDMARKS: ()}
DEFINITIONS = [
    ClipDefinition(
        "pose-distance",
        "pose-distance",
        "driving",
        {**_FAILED, "angles": "pitch-yaw-roll"},
        "difference of the head's angles",
        pose_distance,
        kinds={POSE: ()},
    ),
    ClipDefinition(
        "landmark-velocity",
        "landmark-velocity",
        "target",
        _POINTS,
        "distance of the landmarks' velocities",
        velocity_distance,
        kinds=_LANDMARKS,
    ),
    ClipDefinition(
        "jitter",
        "jitter",
        "target",
        _POINTS,
        "acceleration of the landmarks over the truth's",
        jitter,
        kinds=_LANDMARKS,
    ),
    ClipDefinition(
        "dynamic-degree",
        "dynamic-degree",
        "none",
        _POINTS,
        "how far the landmarks move about their means",
        dynamic_degree,
        kinds=_LANDMARKS,
    ),
]
