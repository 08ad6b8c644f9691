"""Differences between the videos of two runs of whole clips: compared frames, length, rate, size, sound."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from protocols.folder import some
from reports.schema.manifest import Prepared

AS_ASKED = "as the reference"
UNKNOWN = "UNKNOWN whether"  # begins what the manifests do not say


def other_sound(ours: Prepared, theirs: Prepared) -> list[str]:
    """Return a line if clips were not scored with the same sound, or if that is unknown."""
    one, other = ours.clips, theirs.clips
    if one is None or other is None or one.sound_sha256 == other.sound_sha256:
        return []
    if one.sound != other.sound:
        return [f"sound: {one.sound} and {other.sound}"]
    if one.sound == "generated":  # each video's own
        return []
    if ours.pairs.sha256 == theirs.pairs.sha256:
        return ["sound: the files of the sound DIFFER"]
    return [f"sound: {UNKNOWN} the sound of the clips is the same, since the lists differ"]


def other_videos(
    manifests: Sequence[Prepared], labels: Sequence[str], rows: Sequence[pd.DataFrame], sides: str
) -> list[str]:
    """Return a line for each difference between the clips of two models, besides their pixels.

    manifests, labels: of the two. rows: the same clips of each, in the same order. sides: both models, in words.
    """
    found = []
    both = list(zip(*(side["pair"] for side in rows)))
    if all("frames" in side for side in rows):
        ok = (rows[0]["status"] == "ok").to_numpy() & (rows[1]["status"] == "ok").to_numpy()
        counts = zip(both, ok, *(side["frames"] for side in rows))
        differing = [f"{pair} ({one} and {other})" for (pair, _), known, one, other in counts if known and one != other]
        if differing:
            found.append(
                f"frames: {sides} have different numbers of compared frames in {len(differing)} of {len(both)} clips, "
                f"because videos end early: {some(differing)}"
            )
    recorded = [
        (manifest.clips.unlike if manifest.clips else {}).get(label, {}) for manifest, label in zip(manifests, labels)
    ]
    for what in dict.fromkeys([*recorded[0], *recorded[1]]):
        ours, theirs = (side.get(what, {}) for side in recorded)
        lines = [(pair, ours.get(pair, AS_ASKED), theirs.get(other, AS_ASKED)) for pair, other in both]
        differ = [f"{pair} ({one}; {other})" for pair, one, other in lines if one != other]
        if differ:
            found.append(f"{what}: videos of {sides} differ in {len(differ)} of {len(both)} clips: {some(differ)}")
    return found
