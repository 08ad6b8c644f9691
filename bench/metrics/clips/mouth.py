"""Mouth motion compared with the target: mouth vertices without head pose, and lip opening.

MemFace (arXiv:2212.05005, Sec. 4.1) prints the RMSE of mouth vertices of a 3D face model that is not public. The
vertices used here are those of Google's face mesh, aligned to its canonical face; the metric has its own name.
"""

from __future__ import annotations

import numpy as np

from baselines.facemesh.canonical import align, mouth
from bench.metrics.clips.base import ClipDefinition, ClipValue, Tracks
from bench.metrics.clips.frames import valid
from bench.metrics.clips.speaking import lip_opening

MESH, LANDMARKS = "mesh", "landmarks-mesh"
NO_FACES = "no face in any frame of both clips"
FEWEST = 3  # fewest frames for a correlation


def vertex_rmse(tracks: Tracks) -> ClipValue:
    """Return the root mean square over frames, 69 mouth vertices and coordinates, in cm of the canonical face."""
    made, truth = tracks.generated[MESH], tracks.target[MESH]
    good = valid(made, truth)
    if not good.any():
        return ClipValue.none(NO_FACES, len(good))
    gaps = [align(a)[0][mouth()] - align(b)[0][mouth()] for a, b in zip(made[good], truth[good])]
    return ClipValue(float(np.sqrt(np.mean(np.square(gaps)))), None, int(good.sum()), int((~good).sum()))


def lip_correlation(tracks: Tracks) -> ClipValue:
    """Return the Pearson correlation over frames of both lip openings; no value where either is constant."""
    made, truth = (lip_opening(side[LANDMARKS]) for side in (tracks.generated, tracks.target))
    good = valid(made, truth)
    failed = int((~good).sum())
    if good.sum() < FEWEST:
        return ClipValue.none(f"fewer than {FEWEST} frames with a face in both clips", failed)
    a, b = made[good], truth[good]
    if min(a.std(), b.std()) < 1e-9:
        return ClipValue.none("the lips never move", failed)
    return ClipValue(float(np.corrcoef(a, b)[0, 1]), None, len(a), failed)


DEFINITIONS = [
    ClipDefinition(
        "rmse-facemesh",
        "vertex-rmse",
        "target",
        {
            "points": "lips-and-around-69",
            "align": "canonical-33-weighted",
            "over": "frames-vertices-coordinates",
            "failed": "left-out-and-counted",
        },
        "RMSE of 69 mouth vertices of the face mesh, aligned to the canonical face; never MemFace's own RMSE",
        vertex_rmse,
        kinds={MESH: ("facemesh",)},
        proxy=True,
    ),
    ClipDefinition(
        "lip-opening-corr",
        "lip-correlation",
        "target",
        {"opening": "inner-lips-over-eyes", "over": "frames", "failed": "left-out-and-counted"},
        "correlation of the lips' opening with the truth's",
        lip_correlation,
        kinds={LANDMARKS: ()},
    ),
]
