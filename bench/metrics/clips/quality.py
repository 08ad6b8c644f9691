"""No-reference image quality: BRISQUE, NIQE and CPBD, means over the clip's frames."""

from __future__ import annotations

from functools import partial

from bench.features.base import Feature
from bench.features.quality import Brisque, Cpbd, Niqe
from bench.metrics.clips.base import ClipDefinition, ClipValue, Tracks
from bench.metrics.clips.frames import mean_of, worst_second
from bench.metrics.families import FAMILIES

FEATURES: dict[str, type[Feature]] = {one.name: one for one in (Brisque, Niqe, Cpbd)}


def mean_and_worst(tracks: Tracks, name: str, none: str) -> ClipValue:
    """Return the mean of a feature over the frames, and over the worst second. none: why a clip may have no value."""
    values = tracks.generated[name][:, 0]
    found = mean_of(values, len(values), none)
    begin, worst = worst_second(values, tracks.times, FAMILIES[name].higher_is_better)
    return ClipValue(found.value, found.reason, found.n, found.failed, {"worst": worst, "worst_second": begin})


def _definition(name: str, summary: str, none: str) -> ClipDefinition:
    return ClipDefinition(
        name,
        name,
        "none",
        {"over": "frames"},
        summary,
        partial(mean_and_worst, name=name, none=none),
        features=(name,),
        extra={"worst": "mean over the worst second", "worst_second": "when the worst second begins, seconds"},
    )


DEFINITIONS = [
    _definition("brisque", "distortion of natural statistics, as people rated it", "every frame is of one color"),
    _definition(
        "niqe",
        "distance of the statistics from those of natural pictures",
        "no frame has two patches of 96 x 96 pixels that have a structure",
    ),
    _definition("cpbd", "share of the edges that look sharp", "no frame has an edge in a block of 64 x 64 pixels"),
]
