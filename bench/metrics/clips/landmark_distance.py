"""Landmark distance (LMD): distance of the mouth's, or the face's, landmarks to the target's, over a clip.

Public scripts disagree on sum or mean over points; `bench.metrics.clips.landmark_scripts` has three of them as they run
on whole sets. Here a clip is one value, in pixels of frames resized to a width of 256. In each frame the points are
centered by their own mean, neither scaled nor rotated (EAT's test_lmd.py, commit e39b004; Chen et al., ATVGnet, CVPR
2019), unless a definition says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from bench.metrics.akd import interocular
from bench.metrics.clips.base import ClipDefinition, ClipValue, Params, Tracks
from bench.metrics.clips.frames import mean_of, valid
from bench.metrics.clips.landmark_scripts import MOUTH, distances

LANDMARKS = "landmarks"
FACE = slice(0, 68)


def lmd(
    tracks: Tracks, points: slice = MOUTH, *, centered: bool = True, summed: bool = False, over_eyes: bool = False
) -> ClipValue:
    """Return the mean over frames of the mean distance of the points; frames without a face on either side are failed.

    centered: after subtracting each frame's mean over the points. summed: the sum over points instead of their mean
    (ATVGnet). over_eyes: divided by the distance of the reference's eyes in each frame.
    """
    made, truth = tracks.generated[LANDMARKS], tracks.target[LANDMARKS]
    good = valid(made, truth)
    values = np.full(len(made), np.nan)
    found = distances(made[good][:, points], truth[good][:, points], centered)
    values[good] = found.sum(1) if summed else found.mean(1)
    if over_eyes:
        values[good] /= interocular(torch.from_numpy(truth[good])).numpy()
    return mean_of(values, len(values))


def _lmd(
    name: str, params: Params, summary: str, compute: Callable[[Tracks], ClipValue], unit: str | None = None
) -> ClipDefinition:
    rules = {"scale": "width-256", "over": "frames", "failed": "left-out-and-counted", **params}
    return ClipDefinition(name, "lmd", "target", rules, summary, compute, kinds={LANDMARKS: ()}, own_unit=unit)


_MOUTH = {"points": "48..67", "align": "own-mean"}
_FACE = {"points": "0..67", "align": "own-mean"}
DEFINITIONS = [
    _lmd("lmd", _MOUTH | {"points-joined": "mean"}, "distance of the mouth's landmarks, each frame centered", lmd),
    _lmd(
        "lmd-face",
        _FACE | {"points-joined": "mean"},
        "distance of all landmarks, each frame centered",
        partial(lmd, points=FACE),
    ),
    _lmd(
        "lmd-sum",
        _MOUTH | {"points-joined": "sum"},
        "`lmd` summed over the 20 points, as ATVGnet's script",
        partial(lmd, summed=True),
    ),
    _lmd(
        "lmd-unaligned",
        {"points": "48..67", "align": "none", "points-joined": "mean"},
        "distance of the mouth's landmarks, not centered",
        partial(lmd, centered=False),
    ),
    _lmd(
        "lmd-norm",
        _MOUTH | {"points-joined": "mean", "divided-by": "interocular-of-reference"},
        "`lmd` over the distance of the reference's eyes",
        partial(lmd, over_eyes=True),
        "eyes",
    ),
]
