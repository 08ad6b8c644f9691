"""Temporal stability of the picture: sharpness, flicker, and change that motion does not explain."""

from __future__ import annotations

import numpy as np

from bench.features.base import Feature
from bench.features.pixels import FrameDifference, Sharpness, WarpingError
from bench.metrics.clips.base import ClipDefinition, ClipValue, Tracks
from bench.metrics.clips.frames import mean_of

FEATURES: dict[str, type[Feature]] = {one.name: one for one in (Sharpness, FrameDifference, WarpingError)}


def sharpness_ratio(tracks: Tracks) -> ClipValue:
    """Return the mean sharpness of the generated frames over that of the target's: below 1 the video is blurred."""
    made, truth = (side[Sharpness.name][:, 0] for side in (tracks.generated, tracks.target))
    both = np.isfinite(made) & np.isfinite(truth)
    if not both.any() or truth[both].mean() == 0:
        return ClipValue.none("no frame with texture in both clips", len(made))
    return ClipValue(float(made[both].mean() / truth[both].mean()), None, int(both.sum()), int((~both).sum()))


def flicker(tracks: Tracks) -> ClipValue:
    """Return the mean absolute error of differences of neighboring frames, compared with the target clip, in [0, 1]."""
    made, truth = (side[FrameDifference.name][1:, 0] for side in (tracks.generated, tracks.target))
    return mean_of(np.abs(made - truth), len(made), "no two neighboring frames in both clips")


def warping_error(tracks: Tracks) -> ClipValue:
    """Return the mean residual after warping the previous frame along the flow (Lai et al., ECCV 2018)."""
    return mean_of(tracks.generated[WarpingError.name][1:, 0], len(tracks.times) - 1, "no two neighboring frames")


_OVER = {"over": "frames"}
DEFINITIONS = [
    ClipDefinition(
        "sharpness",
        "sharpness",
        "target",
        {"ratio": "means"},
        "sharpness over the truth's",
        sharpness_ratio,
        features=(Sharpness.name,),
    ),
    ClipDefinition(
        "flicker",
        "flicker",
        "target",
        _OVER,
        "frame differences compared with the truth's",
        flicker,
        features=(FrameDifference.name,),
    ),
    ClipDefinition(
        "warping-error",
        "warping-error",
        "none",
        _OVER,
        "change that motion does not explain",
        warping_error,
        features=(WarpingError.name,),
    ),
]
