"""All definitions of clip metrics in the order of a run's columns, and the features that they read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bench.features.base import ClipFeature, FrameFeature
from bench.metrics.clips import lip_proxies, lip_sync
from bench.metrics.clips.base import ClipDefinition
from bench.sync import feature as syncnet

CLIP_DEFINITIONS: dict[str, ClipDefinition] = {
    one.name: one for one in (*lip_sync.DEFINITIONS, *lip_proxies.DEFINITIONS)
}

# Name of a feature to what makes it of the weights folder, or of None.
FEATURES: dict[str, Callable[[Path | None], FrameFeature | ClipFeature]] = {
    lip_sync.TRACK: lambda weights: syncnet.make(lip_sync.TRACK, weights),
    lip_sync.WHOLE: lambda weights: syncnet.make(lip_sync.WHOLE, weights),
}
