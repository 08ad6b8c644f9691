from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.refused import refused

from protocols.errors import DataError
from protocols.expand import expanded
from protocols.pairs import FrameRef, Pair, PairList

# printable names without slashes, dots alone excluded; commas, quotes and non-ASCII letters included
names = st.text(st.characters(categories=("L", "N", "P", "S"), exclude_characters="/\\"), min_size=1, max_size=12)
names = names.filter(lambda name: name not in (".", ".."))
refs = st.builds(FrameRef, names, st.lists(names, min_size=1, max_size=3).map("/".join), names)
factors = st.floats(0.7, 1.3)


@st.composite
def pair_lists(draw) -> PairList:
    ids = draw(
        st.lists(
            st.from_regex(r"[A-Za-z0-9_+-][A-Za-z0-9._+-]{0,8}", fullmatch=True), min_size=1, max_size=6, unique=True
        )
    )
    optional = st.none() | refs
    pairs = tuple(
        Pair(
            name,
            draw(refs),
            draw(refs),
            draw(optional),
            draw(optional),
            draw(names),
            draw(names),
            draw(factors),
            draw(factors),
        )
        for name in ids
    )
    return PairList("some name", 3, pairs, draw(st.dictionaries(names, names | st.integers())))


@given(ref=refs)
def test_a_frame_survives_as_text(ref: FrameRef):
    assert FrameRef.parse(str(ref)) == ref


@given(pairs=pair_lists())
def test_frozen_list_reads_back(pairs: PairList, tmp_path_factory):
    file = tmp_path_factory.mktemp("list") / "pairs.csv"
    pairs.write(file)
    back = PairList.read(file)
    assert back == pairs
    assert back.sha256 == pairs.sha256


@given(pairs=pair_lists(), provenance=st.dictionaries(names, names))
def test_hash_is_of_the_pairs_alone(pairs: PairList, provenance: dict):
    assert replace(pairs, provenance=provenance, name="other", version=9).sha256 == pairs.sha256


@given(pairs=pair_lists(), data=st.data())
def test_hash_changes_with_any_field(pairs: PairList, data):
    position = data.draw(st.integers(0, len(pairs) - 1))
    pair = pairs.pairs[position]
    changed = data.draw(
        st.sampled_from(
            [
                replace(pair, source=replace(pair.source, frame=pair.source.frame + "x")),
                replace(pair, driving=replace(pair.driving, clip=pair.driving.clip + "x")),
                replace(pair, target=None if pair.target else pair.source),
                replace(pair, anchor=None if pair.anchor else pair.source),
                replace(pair, source_identity=pair.source_identity + "x"),
                replace(pair, driving_identity=pair.driving_identity + "x"),
                replace(pair, alpha=pair.alpha + 0.000001),
                replace(pair, beta=pair.beta + 0.000001),
            ]
        )
    )
    others = pairs.pairs[:position] + (changed,) + pairs.pairs[position + 1 :]
    assert replace(pairs, pairs=others).sha256 != pairs.sha256


def _one(identifier: str = "0000", **changes) -> Pair:
    frame = FrameRef("vox1", "test/a.mp4", "0000001")
    return replace(Pair(identifier, frame, frame, frame, None, "a", "a"), **changes)


@pytest.mark.parametrize("clip", ["..", "test/../../etc", "/etc", "a//b", "a\\b", ".", "a/./b", "a\0", "", "a\nb"])
def test_names_cannot_leave_the_root(clip: str):
    with pytest.raises(DataError):
        FrameRef("vox1", clip, "0000001")
    with pytest.raises(DataError):
        FrameRef("vox1", "test/a.mp4", clip)


def test_a_changed_file_is_refused(tmp_path: Path):
    file = tmp_path / "pairs.csv"
    PairList("list", 1, (_one(),)).write(file)
    file.write_text(file.read_text().replace("0000001", "0000002", 1))
    with refused(DataError, "changed-file"):
        PairList.read(file)


@pytest.mark.parametrize(
    "text", ["", "id,source\n", "# {}\n", "# [1]\nx\n", '# {"format": 1}\n', "\xff\xfe\n", "# 7\nid\n"]
)
def test_other_files_are_refused(tmp_path: Path, text: str):
    file = tmp_path / "pairs.csv"
    file.write_text(text)
    with refused(DataError, "not-a-pair-list") as caught:
        PairList.read(file)
    assert "\n" not in str(caught.value)


def test_error_names_the_line(tmp_path: Path):
    file = tmp_path / "pairs.csv"
    PairList("list", 1, (_one("0"), _one("1"))).write(file)
    file.write_text(file.read_text().replace("\n1,vox1/test/a.mp4", "\n1,vox1/../a.mp4"))
    with refused(DataError, "bad-name", "line 4"):
        PairList.read(file)


def test_ids_are_unique_and_file_names():
    with refused(DataError, "duplicate-pair"):
        PairList("list", 1, (_one(), _one()))
    for bad in ("", "a/b", ".hidden", "a b", "..", "é"):
        with refused(DataError, "bad-name"):
            _one(bad)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_factors_must_be_positive_numbers(value: float):
    with refused(DataError, "bad-number"):
        _one(alpha=value)


def test_head_says_what_it_was_cut_from():
    pairs = PairList("list", 1, tuple(_one(str(number)) for number in range(5)))
    head = pairs.head(2)
    assert [pair.id for pair in head.pairs] == ["0", "1"]
    assert head.provenance == {"first": 2, "of": pairs.sha256}
    assert pairs.head(7) is pairs
    with pytest.raises(DataError):
        pairs.head(0)


def test_whole_clips_become_frames():
    source, driving = FrameRef("vox1", "test/a.mp4", "*"), FrameRef("vox1", "test/b.mp4", "*")
    pairs = PairList("list", 1, (Pair("0", source, driving, None, None, "a", "b"),))
    listed = {"test/a.mp4": ["3", "4"], "test/b.mp4": ["5", "6", "7"]}
    single = expanded(pairs, lambda ref: listed[ref.clip])
    assert [pair.id for pair in single.pairs] == ["0-5", "0-6", "0-7"]
    assert {pair.source.frame for pair in single.pairs} == {"3"}
    assert {pair.anchor.frame for pair in single.pairs} == {"5"}
    assert all(pair.target is None for pair in single.pairs)
    assert expanded(single, lambda ref: []) is single
    with refused(DataError, "unknown-frame"):
        expanded(pairs, lambda ref: [])


def test_unwritable_place(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with refused(DataError, "unwritable-file"):
        PairList("list", 1, (_one(),)).write(tmp_path / "file" / "pairs.csv")


def one_pair(**changes) -> Pair:
    frame = FrameRef("mine", "a", "0000000")
    return replace(Pair("0000", frame, frame, frame, None, "a", "a"), **changes)


@pytest.mark.parametrize("factor", [10.1, 1e5, 1e300, float("nan"), float("inf"), 1e-9])
def test_a_factor_that_no_memory_holds_is_refused(factor):
    with refused(DataError, "bad-number"):
        one_pair(alpha=factor)


def test_names_that_no_file_can_have_are_refused():
    for make in (
        lambda name: FrameRef("mine", "a", name),
        lambda name: FrameRef("mine", name, "0"),
        lambda name: one_pair(id=name),
        lambda name: one_pair(source_identity=name),
    ):
        make("x" * 200)
        with pytest.raises(DataError) as error:
            make("x" * 100_000)
        assert len(str(error.value)) < 300
    with refused(DataError, "bad-name"):
        FrameRef("mine", "a/" * 1500 + "a", "0")


@pytest.mark.parametrize(
    "changed",
    [
        {"name": [1]},
        {"name": None},
        {"name": "n" * 100_000},
        {"version": "x"},
        {"provenance": "x"},
        {"provenance": [1]},
        {"provenance": {"at_hand": 3}},
        {"provenance": {"at_hand": {"n": 1}}},
        {"provenance": {"a": float("inf")}},
        {"provenance": {"a": json.loads("[" * 500 + "]" * 500)}},
    ],
    ids=lambda changed: str(changed)[:30],
)
def test_what_stands_over_a_list_is_checked(changed, tmp_path):
    """The hash covers the pairs alone; a run takes name and provenance into its manifest."""
    file = tmp_path / "pairs.csv"
    PairList("x", 1, (one_pair(),)).write(file)
    head, _, body = file.read_text().partition("\n")
    file.write_text("# " + json.dumps(json.loads(head[1:]) | changed) + "\n" + body)
    with refused(DataError, "not-a-pair-list", "pairs.csv"):
        PairList.read(file)


def test_a_head_nested_too_deep_is_refused(tmp_path):
    file = tmp_path / "pairs.csv"
    file.write_text("# " + "[" * 100_000 + "\n")
    with refused(DataError, "not-a-pair-list"):
        PairList.read(file)
