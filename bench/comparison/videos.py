"""What differs between the videos of two runs of whole clips: frames that were compared, length, rate, size, sound."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from protocols.folder import some
from reports.schema.manifest import Prepared

AS_ASKED = "as the reference"


def other_sound(ours: Prepared, theirs: Prepared) -> list[str]:
    """Whether clips were scored with the same sound, where they were not or nobody can tell."""
    one, other = ours.clips, theirs.clips
    if one is None or other is None or one.sound_sha256 == other.sound_sha256:
        return []
    if one.sound != other.sound:
        return [f"sound: {one.sound} and {other.sound}"]
    if one.sound == "generated":  # each video's own
        return []
    if ours.pairs.sha256 == theirs.pairs.sha256:
        return ["sound: the files of the sound DIFFER"]
    return ["sound: the lists differ, so whether the sound of their clips is the same CANNOT BE TOLD"]


def other_videos(
    manifests: Sequence[Prepared], labels: Sequence[str], rows: Sequence[pd.DataFrame], sides: str
) -> list[str]:
    """A line for each way in which clips of two models differ in more than their pixels.

    manifests, labels: of the two. rows: the same clips of each, in one order. sides: both models, in words.
    """
    found = []
    both = list(zip(*(side["pair"] for side in rows)))
    if all("frames" in side for side in rows):
        ok = (rows[0]["status"] == "ok").to_numpy() & (rows[1]["status"] == "ok").to_numpy()
        counts = zip(both, ok, *(side["frames"] for side in rows))
        unlike = [f"{pair} ({one} and {other})" for (pair, _), known, one, other in counts if known and one != other]
        if unlike:
            found.append(
                f"frames: of {sides} other numbers were compared in {len(unlike)} of {len(both)} clips, because videos "
                f"end early: {some(unlike)}"
            )
    told = [
        (manifest.clips.unlike if manifest.clips else {}).get(label, {}) for manifest, label in zip(manifests, labels)
    ]
    for what in dict.fromkeys([*told[0], *told[1]]):
        ours, theirs = (side.get(what, {}) for side in told)
        lines = [(pair, ours.get(pair, AS_ASKED), theirs.get(other, AS_ASKED)) for pair, other in both]
        differ = [f"{pair} ({one}; {other})" for pair, one, other in lines if one != other]
        if differ:
            found.append(f"{what}: videos of {sides} differ in {len(differ)} of {len(both)} clips: {some(differ)}")
    return found
