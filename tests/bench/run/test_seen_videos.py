"""A protocol over training videos: which models' trainings left them out."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from support.manifests import complete

from bench.run.seen_videos import notices
from protocols import catalogue
from protocols.pairs import FrameRef, Pair, PairList
from reports.schema.manifest import ModelEntry

CLIPS = ("id10001#a#0#9.mp4", "id10002#b#0#9.mp4")
REFS = [FrameRef("vox1", f"train/{clip}", "0000000") for clip in CLIPS]
PAIRS = PairList("mine", 1, (Pair("0", REFS[0], REFS[1], None, None, "a", "b"),))


def resolved(protocol: str = "vox1-seenid", sample: bool = False) -> SimpleNamespace:
    return SimpleNamespace(protocol=catalogue.get(protocol), is_sample=sample, pair_list=PAIRS)


@pytest.mark.parametrize(
    ("training", "seen"),
    [
        ({}, 2),
        ({"excluded": []}, 2),
        ({"excluded": 3}, 2),
        ({"excluded": [None, CLIPS[1]]}, 1),
        ({"excluded": [CLIPS[0]]}, 1),
        ({"excluded": [name[:-4] for name in CLIPS]}, 0),
    ],
)
def test_models_that_may_have_seen_the_videos_are_named(training: dict, seen: int) -> None:
    models = [ModelEntry(name="mine", training=training), ModelEntry(name="x", training="?")]
    plan = complete([*models, "copy-source"], [])
    lines = notices(plan, resolved())
    assert len(lines) == bool(seen) and all(f"{seen} of the 2" in line and line.startswith("mine:") for line in lines)
    assert notices(plan, resolved("vox1-sameid")) == notices(plan, resolved(sample=True)) == []
