"""Sync-C, Sync-D and the offset between picture and sound, by SyncNet (Chung and Zisserman, ACCV workshops 2016).

The slow part is in the features of `bench.sync.feature`: SyncNet's distances between windows of five frames and the
sound at 31 shifts. The rest follows `calc_pdist` and `evaluate` of syncnet_python (commit 6efbb1c).
"""

from __future__ import annotations

from functools import partial

import numpy as np

from bench.detectors.base import NO_FACE
from bench.detectors.syncnet import RATE, SPAN, VSHIFT
from bench.metrics.clips.base import ClipDefinition, ClipValue, Tracks
from bench.metrics.clips.speaking import silent
from bench.sync import tracks as face_tracks
from bench.sync.feature import BOX, DETECTED, DISTANCES, FACES, missing

TRACK, WHOLE = "syncnet", "syncnet-frames"
SIGNED = "signed"


def measured(tracks: Tracks, feature: str) -> np.ndarray | str:
    """Return the distances ``(W, 31)`` of the windows that count, or why there are none."""
    rows = tracks.generated[feature]
    if tracks.sound is None:
        return "no sound"
    if tracks.sound.source_rate is not None and tracks.sound.source_rate < RATE:
        return f"sound of {tracks.sound.source_rate} samples per second; SyncNet needs {RATE}"
    if silent(tracks.sound, tracks.times):
        return "silent sound"
    if feature == TRACK and (reason := _no_track(rows)):
        return reason
    distances = rows[:, DISTANCES] if feature == TRACK else rows
    distances = distances[np.isfinite(distances).all(1)]
    return distances if len(distances) else f"fewer than {SPAN + 1} frames with sound"


def value(tracks: Tracks, feature: str, part: str) -> ClipValue:
    """Return the confidence, distance or absolute offset (in frames) of a clip.

    Frames at which no window begins count as failed, except the last five, at which none can begin.
    """
    found = measured(tracks, feature)
    if isinstance(found, str):
        return ClipValue.none(found, len(tracks.generated[feature]))
    mean = found.mean(0)
    best = int(mean.argmin())
    values = {"confidence": np.median(mean) - mean[best], "distance": mean[best], "offset": abs(VSHIFT - best)}
    failed = max(0, len(tracks.generated[feature]) - SPAN - len(found))
    extra = {SIGNED: float(VSHIFT - best)} if part == "offset" else {}
    return ClipValue(float(values[part]), None, len(found), failed, extra)


def _no_track(rows: np.ndarray) -> str | None:
    if not rows[:, FACES].any():
        return NO_FACE
    detections = int((rows[:, DETECTED] == 1).sum())
    if detections <= face_tracks.DETECTIONS:
        return f"no face over more than {face_tracks.DETECTIONS} frames (the longest: {detections})"
    size = face_tracks.mean_size(rows[np.isfinite(rows[:, DETECTED]), BOX])
    return f"a face of {size:.0f} pixels; more than {face_tracks.SIZE} are needed" if size <= face_tracks.SIZE else None


def _by_syncnet(name: str, family: str, feature: str, part: str, summary: str) -> ClipDefinition:
    params = {"shifts": f"-{VSHIFT}..{VSHIFT}", "windows": "all-but-last"}
    return ClipDefinition(
        name,
        family,
        "none",
        params | {"sign": "none"} if part == "offset" else params,
        summary,
        partial(value, feature=feature, part=part),
        features=(feature,),
        needs_sound=True,
        extra={SIGNED: "the offset with its sign; negative: the sound is late"} if part == "offset" else {},
        missing=missing,
    )


DEFINITIONS = [
    _by_syncnet("sync-c", "lip-sync", TRACK, "confidence", "SyncNet's confidence on the longest face track"),
    _by_syncnet("sync-d", "sync-d", TRACK, "distance", "SyncNet's least distance on the longest face track"),
    _by_syncnet("av-offset", "av-offset", TRACK, "offset", "offset between sound and picture in frames, absolute"),
    _by_syncnet("lse-c-lrs", "lse-c", WHOLE, "confidence", "LSE-C as for LRS: whole frames, no face is found"),
    _by_syncnet("lse-d-lrs", "lse-d", WHOLE, "distance", "LSE-D as for LRS: whole frames, no face is found"),
]
