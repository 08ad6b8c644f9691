"""Every signature as it was when its numbers were last changed on purpose: an unchanged number keeps its signature."""

from __future__ import annotations

from pathlib import Path

from bench import detectors, metrics
from bench.metrics.clips.catalogue import CLIP_DEFINITIONS
from bench.metrics.sets.catalogue import SET_DEFINITIONS

PINNED = Path(__file__).with_name("signatures.txt")


def test_no_signature_moves_unless_this_list_does() -> None:
    """``DETECTOR`` stands for the detector's own signature."""
    found = [d.signature("DETECTOR" if d.detector else None) for d in metrics.definitions().values()]
    for clip in CLIP_DEFINITIONS.values():
        found.append(clip.signature(dict.fromkeys((*clip.kinds, *clip.features), "DETECTOR")))
    found += [one.signature("DETECTOR", of_clips=True) for one in SET_DEFINITIONS.values()]
    assert found == PINNED.read_text(encoding="utf-8").splitlines()


def test_weights_of_a_network_stand_in_the_signature() -> None:
    (bound,) = metrics.resolve(["lpips"], detectors.choose("embedded", None))
    assert bound.signature() == metrics.get("st-lpips").signature() + "|weights:b356b382f960"
