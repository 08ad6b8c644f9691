"""Identity over a clip: similarity with the source, between neighboring frames, and whether it drifts."""

from __future__ import annotations

import numpy as np

from bench.metrics.clips.base import ClipDefinition, ClipValue, Tracks
from bench.metrics.clips.frames import mean_of, valid

IDENTITY = "identity"


def similarity_with_source(tracks: Tracks) -> ClipValue:
    """Return the mean over frames of the cosine similarity with the source image (CSIM of talking-head papers)."""
    curve = _with_source(tracks)
    return ClipValue.none("no face in the source", len(tracks.times)) if curve is None else mean_of(curve, len(curve))


def consecutive_similarity(tracks: Tracks) -> ClipValue:
    """Return the mean cosine similarity of neighboring frames (F-SIM)."""
    made = tracks.generated[IDENTITY]
    if len(made) < 2:
        return ClipValue.none("one frame", len(made))
    return mean_of(_cosine(made[:-1], made[1:]), len(made) - 1, "no two neighboring frames with a face")


def drift(tracks: Tracks) -> ClipValue:
    """Return the slope of the similarity with the source over time, per minute: negative where the identity is lost.

    Least squares over the frames that have a value; a clip needs three of them.
    """
    curve = _with_source(tracks)
    if curve is None:
        return ClipValue.none("no face in the source", len(tracks.times))
    known = np.isfinite(curve)
    if known.sum() < 3:
        return ClipValue.none("fewer than three frames with a face", int((~known).sum()))
    slope = np.polyfit(tracks.times[known] / 60, curve[known], 1)[0]
    return ClipValue(float(slope), None, int(known.sum()), int((~known).sum()))


def _with_source(tracks: Tracks) -> np.ndarray | None:
    source, made = tracks.source.get(IDENTITY), tracks.generated[IDENTITY]
    if source is None or not np.isfinite(source).all():
        return None
    return _cosine(made, np.broadcast_to(source, made.shape))


def _cosine(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    values = np.full(len(one), np.nan)
    good = valid(one, other)
    a, b = one[good], other[good]
    values[good] = (a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
    return values


_KINDS = {IDENTITY: ()}
_HOW = {"similarity": "cosine", "failed": "left-out-and-counted"}
DEFINITIONS = [
    ClipDefinition(
        "id-source",
        "id-source",
        "source",
        {**_HOW, "over": "frames"},
        "similarity with the source's identity",
        similarity_with_source,
        kinds=_KINDS,
    ),
    ClipDefinition(
        "id-consecutive",
        "id-consecutive",
        "none",
        {**_HOW, "over": "neighbors"},
        "similarity of neighboring frames (F-SIM)",
        consecutive_similarity,
        kinds=_KINDS,
    ),
    ClipDefinition(
        "id-drift",
        "id-drift",
        "source",
        {**_HOW, "slope": "least-squares"},
        "change of the similarity per minute",
        drift,
        kinds=_KINDS,
    ),
]
