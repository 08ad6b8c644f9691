"""Eyes: blink rate and duration, openness, gaze; from the points of the iris network."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bench.metrics.clips.base import ClipDefinition, ClipValue, Tracks
from bench.metrics.clips.blinking import BRIDGED, LONGEST, NARROW, OPENED, SHORTEST, SHUT, USUAL, Blinks, blinks
from bench.metrics.clips.frames import mean_of, valid

LIDS, IRIS = "lids", "iris"


def blink_rate(tracks: Tracks) -> ClipValue:
    """Return the absolute difference of blinks per minute to the target clip."""
    return _compared(tracks, lambda found: found.rate)


def blink_duration(tracks: Tracks) -> ClipValue:
    """Return the absolute difference of the mean blink duration to the target clip, seconds."""
    return _compared(tracks, lambda found: float(found.durations.mean()) if len(found.durations) else float("nan"))


def own_rate(tracks: Tracks) -> ClipValue:
    """Return the blinks per minute of the generated clip."""
    found = blinks(tracks.times, tracks.generated[LIDS], tracks.rate)
    if isinstance(found, str):
        return ClipValue.none(found, _failed(tracks.generated[LIDS]))
    return ClipValue(found.rate, None, int(found.seen.sum()), int((~found.seen).sum()))


def lid_error(tracks: Tracks) -> ClipValue:
    """Return the mean over frames and both eyes of the absolute openness error (lid distance over eye width)."""
    difference = np.abs(tracks.generated[LIDS] - tracks.target[LIDS]).mean(1)
    return mean_of(difference, len(difference))


def gaze_error(tracks: Tracks) -> ClipValue:
    """Return the mean angle between the gaze directions of both clips, degrees, where the eyes are open in both."""
    made, truth = tracks.generated[IRIS], tracks.target[IRIS]
    apart = np.full(len(made), np.nan)
    good = valid(made, truth)
    apart[good] = np.degrees(np.arccos((_direction(made[good]) * _direction(truth[good])).sum(1).clip(-1, 1)))
    shut = np.zeros(len(made), bool)
    for side in (tracks.generated, tracks.target):
        found = blinks(tracks.times, side[LIDS], tracks.rate, 0.0)
        if isinstance(found, str):
            return ClipValue.none(found, len(made))
        shut |= found.shut
    return mean_of(apart[~shut], int((~shut).sum()), "no frame with open eyes in both clips")


def _direction(angles: np.ndarray) -> np.ndarray:
    pitch, yaw = np.radians(angles).T
    return np.stack([np.sin(pitch), np.cos(pitch) * np.sin(yaw), np.cos(pitch) * np.cos(yaw)], axis=1)


def _compared(tracks: Tracks, number: Callable[[Blinks], float]) -> ClipValue:
    failed = _failed(tracks.generated[LIDS], tracks.target[LIDS])
    numbers = {}
    for name, side in (("generated", tracks.generated), ("true", tracks.target)):
        found = blinks(tracks.times, side[LIDS], tracks.rate)
        if isinstance(found, str):
            return ClipValue.none(f"{name} clip: {found}", failed)
        numbers[name] = number(found)
        if np.isnan(numbers[name]):
            return ClipValue.none(f"{name} clip: no whole blink", failed)
    return ClipValue(abs(numbers["generated"] - numbers["true"]), None, len(tracks.times) - failed, failed, numbers)


def _failed(*lids: np.ndarray) -> int:
    return int((~valid(*lids)).sum())


_LIDS = {LIDS: ("iris-lids",)}
_BOTH = {**_LIDS, IRIS: ("iris-gaze",)}
_RULE = {"usual": f"{USUAL}%>={NARROW}", "shut": f"{SHUT}..{OPENED}", "bridged": f"{BRIDGED}s"}
_BLINK = {**_RULE, "blink": f"<={LONGEST}s", "seen": f">={SHORTEST}s"}
_SIDES = {"generated": "that of the generated clip", "true": "that of the true clip"}
DEFINITIONS = [
    ClipDefinition(
        "blink-rate",
        "blink-rate",
        "target",
        _BLINK,
        "difference of the blinks a minute",
        blink_rate,
        kinds=_LIDS,
        extra=_SIDES,
    ),
    ClipDefinition(
        "blink-duration",
        "blink-duration",
        "target",
        _BLINK,
        "difference of the mean length of a blink",
        blink_duration,
        kinds=_LIDS,
        extra=_SIDES,
    ),
    ClipDefinition("blinks", "blinks", "none", _BLINK, "blinks a minute", own_rate, kinds=_LIDS),
    ClipDefinition(
        "lid-error",
        "lid-error",
        "target",
        {"eyes": "mean"},
        "difference of how far the eyes are open",
        lid_error,
        kinds=_LIDS,
    ),
    ClipDefinition(
        "gaze-error",
        "gaze-error",
        "target",
        _RULE,
        "angle between the directions of the irises",
        gaze_error,
        kinds=_BOTH,
    ),
]
