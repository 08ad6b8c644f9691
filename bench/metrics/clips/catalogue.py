"""All definitions of clip metrics in the order of a run's columns, and the features that they read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bench.features.base import Feature
from bench.metrics.clips import (
    eyes,
    identity,
    landmark_distance,
    lip_proxies,
    lip_sync,
    motion,
    mouth,
    quality,
    stability,
)
from bench.metrics.clips.base import ClipDefinition
from bench.sync import feature as syncnet

_FAMILIES = (lip_sync, lip_proxies, landmark_distance, mouth, identity, motion, eyes, stability, quality)
CLIP_DEFINITIONS: dict[str, ClipDefinition] = {one.name: one for family in _FAMILIES for one in family.DEFINITIONS}


def _without_weights(made: Callable[[], Feature]) -> Callable[[Path | None], Feature]:
    return lambda weights: made()


# Name of a feature to the function that makes it from the weights folder, or from None.
FEATURES: dict[str, Callable[[Path | None], Feature]] = {
    lip_sync.TRACK: lambda weights: syncnet.make(lip_sync.TRACK, weights),
    lip_sync.WHOLE: lambda weights: syncnet.make(lip_sync.WHOLE, weights),
    **{name: _without_weights(made) for name, made in (stability.FEATURES | quality.FEATURES).items()},
}
