"""Lists outlive the videos that they name: what is left of one, and runs on the rest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.layouts_on_disk import VOX_CLIPS, frames, vox
from support.refused import refused

from protocols import catalogue
from protocols.custom_dataset import open_dataset
from protocols.errors import DataError
from protocols.pairs import FrameRef, PairList
from protocols.resolve import resolve
from protocols.sampling import make_pairs, pair_of
from protocols.survey import Count, survey


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return vox(tmp_path / "vox", n=6, size=16)


def drop(root: Path, pairs: PairList) -> set[FrameRef]:
    """Lose one clip whole and one frame of another; returns the frames of the list that are gone."""
    first, second = sorted({ref.clip for ref in pairs.refs()})[:2]
    lost = {ref for ref in pairs.refs() if ref.clip == first}
    for file in (root / first).iterdir():
        file.unlink()
    (root / first).rmdir()
    one = next(ref for ref in pairs.refs() if ref.clip == second)
    frame = "0000000" if one.frame == "*" else one.frame
    (root / one.clip / f"{frame}.png").unlink()
    return lost | {one}


def test_counts_by_clip_and_identity(root: Path):
    dataset = open_dataset("vox1", root)
    pairs = make_pairs(dataset, "cross-identity", 40)
    whole = survey(pairs, {"vox1": dataset})
    assert whole.missing == () and {count.state for count in whole.clips.values()} == {"whole"}
    assert whole.total == Count(len(pairs.refs()), len(pairs.refs()), 40, 40)
    lost = drop(root, pairs)
    found = survey(pairs, {"vox1": dataset})
    assert set(found.missing) == lost
    kept = [pair for pair in pairs.pairs if not lost & set(pair.refs())]
    assert found.total == Count(len(pairs.refs()), len(pairs.refs()) - len(lost), 40, len(kept))
    states = [count.state for count in found.clips.values()]
    assert states[:2] == ["gone", "partly"] and set(states[2:]) == {"whole"}
    assert set(found.identities) == set(VOX_CLIPS)
    for counts in (found.clips, found.identities):
        assert sum(count.frames for count in counts.values()) == found.total.frames
        assert sum(count.frames_there for count in counts.values()) == found.total.frames_there
    for name, count in found.identities.items():
        own = [pair for pair in pairs.pairs if name in (pair.source_identity, pair.driving_identity)]
        assert (count.pairs, count.pairs_there) == (len(own), sum(pair in kept for pair in own))


def test_a_data_set_that_is_not_given(root: Path):
    pairs = make_pairs(open_dataset("vox1", root), "same-identity", 5)
    with refused(DataError, "missing-data", "vox1"):
        survey(pairs, {})


@pytest.mark.parametrize("name", ["vox1-sameid", "vox1-crossid", "vox1-diffscale"])
def test_a_run_on_the_rest_asks_the_same_of_what_is_left(root: Path, tmp_path: Path, name: str):
    protocol = replace(catalogue.get(name), n=30)
    file = tmp_path / "list.csv"
    pairs = make_pairs(open_dataset("vox1", root), protocol.strategy, 30)
    pairs.write(file)
    options = {"pair_file": file, "progress": False}
    before = resolve(protocol, {"vox1": root}, tmp_path, allow_missing=True, **options)
    assert before.pair_list == resolve(protocol, {"vox1": root}, tmp_path, **options).pair_list
    assert not any("SUBSET" in notice for notice in before.notices)
    lost = drop(root, pairs)
    with refused(DataError, "missing-frames"):
        resolve(protocol, {"vox1": root}, tmp_path, **options)
    after = resolve(protocol, {"vox1": root}, tmp_path, allow_missing=True, **options)
    # anchors of relative motion may be lost as well
    left = [pair for pair in before.pair_list.pairs if not lost & set(pair.refs())]
    assert 0 < len(after.pair_list) < len(before.pair_list)
    assert set(after.pair_list.pairs) <= set(before.pair_list.pairs)  # factors and ids are those of the whole list
    if protocol.mode == "absolute":
        assert list(after.pair_list.pairs) == left
    origin = after.pair_list.provenance["at_hand"]
    assert (origin["n"], origin["of_n"]) == (len(after.pair_list), len(before.pair_list))
    if protocol.mode == "absolute":  # else the whole list has anchors of clips that nobody can look into any more
        assert origin["of"] == before.pair_list.sha256
    assert any(notice.startswith(f"SUBSET: {len(after.pair_list)} of the") for notice in after.notices)


def test_nothing_left(root: Path, tmp_path: Path):
    pairs = make_pairs(open_dataset("vox1", root), "same-identity", 5)
    pairs.write(tmp_path / "list.csv")
    other = tmp_path / "other"
    frames(other / "test" / VOX_CLIPS["id10283"][0], 1, digits=3, size=16)
    with refused(DataError, "no-pairs", "vox1-same-identity"):
        resolve(
            catalogue.get("vox1-sameid"),
            {"vox1": other},
            tmp_path,
            pair_file=tmp_path / "list.csv",
            allow_missing=True,
            progress=False,
        )


def test_whole_clips_of_a_list_may_be_missing(root: Path, tmp_path: Path):
    clips = [f"test/{name}" for names in VOX_CLIPS.values() for name in names]
    people = [clip.partition("/")[2].partition("#")[0] for clip in clips]
    refs = [FrameRef("vox1", clip, "*") for clip in clips]
    pairs = PairList(
        "clips",
        1,
        tuple(pair_of(f"{i}", refs[i], refs[i - 1], people[i], people[i - 1]) for i in range(len(clips))),
    )
    pairs.write(tmp_path / "list.csv")
    lost = drop(root, pairs)
    assert survey(pairs, {"vox1": open_dataset("vox1", root)}).total.frames_there == len(refs) - 1
    found = resolve(
        catalogue.get("vox1-crossid"),
        {"vox1": root},
        tmp_path,
        pair_file=tmp_path / "list.csv",
        allow_missing=True,
        progress=False,
    )
    gone = min(clips)
    assert gone in {ref.clip for ref in lost}
    assert all(gone not in (pair.source.clip, pair.driving.clip) for pair in found.pair_list.pairs)
