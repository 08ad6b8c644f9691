"""Clip lists: frozen, hashed, and expanded to the frames that are asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.clips import Clip, ClipList, requested_frames, shown_at
from protocols.errors import DataError
from protocols.pairs import FrameRef


def ref(clip: str, frame: str = "*") -> FrameRef:
    return FrameRef("own", clip, frame)


def clip(name: str = "a", **other: object) -> Clip:
    given = {"source": ref(name), "driving": ref(name), "target": ref(name), "sound": None}
    return Clip(name, **given | {"source_identity": "p", "driving_identity": "p"} | other)


def frames(n: int = 10, rate: float = 25.0):
    return lambda one: ([f"{k:07d}" for k in range(n)], [k / rate for k in range(n)])


def test_a_frozen_list_reads_as_it_was_written(tmp_path: Path) -> None:
    made = ClipList("mine", 1, (clip("a"), clip("b", start=1.5, end=3.0, rate=12.5, sound=ref("c"))))
    made.write(tmp_path / "clips.csv")
    assert ClipList.read(tmp_path / "clips.csv") == made
    text = (tmp_path / "clips.csv").read_text(encoding="utf-8")
    (tmp_path / "clips.csv").write_text(text.replace("12.500000", "12.600000"), encoding="utf-8")
    with pytest.raises(DataError) as error:
        ClipList.read(tmp_path / "clips.csv")
    assert error.value.code == "changed-file"


def test_a_pair_list_is_no_clip_list(tmp_path: Path) -> None:
    ClipList("mine", 1, (clip(),)).pairs(frames()).write(tmp_path / "pairs.csv")
    with pytest.raises(DataError) as error:
        ClipList.read(tmp_path / "pairs.csv")
    assert error.value.code == "not-a-clip-list"


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"driving": ref("a", "0000003")}, "bad-row"),
        ({"start": -1.0}, "bad-number"),
        ({"start": 2.0, "end": 2.0}, "bad-number"),
        ({"rate": 0.0}, "bad-number"),
    ],
)
def test_what_no_clip_can_be_is_refused(wrong: dict, code: str) -> None:
    with pytest.raises(DataError) as error:
        clip(**wrong)
    assert error.value.code == code


def test_every_frame_is_a_pair_with_its_time() -> None:
    made = ClipList("mine", 1, (clip("a"), clip("b", source=ref("photo", "0000000"), target=None)))
    assert {pair.anchor for pair in made.pairs(frames(3)).pairs} == {None}
    pairs = made.pairs(frames(3), anchored=True)
    assert [pair.id for pair in pairs.pairs] == [f"{name}-00000{k}" for name in "ab" for k in range(3)]
    assert [pair.time for pair in pairs.pairs] == [0, 0.04, 0.08] * 2
    first, *_, last = pairs.pairs
    assert (first.source, first.anchor, first.target) == (ref("a", "0000000"), ref("a", "0000000"), first.driving)
    assert (last.source, last.target, last.clip) == (ref("photo", "0000000"), None, "b")


def test_driving_clip_and_target_go_frame_by_frame() -> None:
    made = ClipList("mine", 1, (clip("a", target=ref("b")),))
    lengths = {"a": 4, "b": 3}
    with pytest.raises(DataError) as error:
        made.pairs(lambda one: frames(lengths[one.clip])(one))
    assert error.value.code == "target-length"


def test_a_range_and_a_rate() -> None:
    times = [k / 25 for k in range(100)]
    assert requested_frames(times, 1.0, 2.0, None) == [(k, pytest.approx((k - 25) / 25)) for k in range(25, 50)]
    assert requested_frames(times, 0.0, 1.0, 5.0) == [(5 * k, pytest.approx(k / 5)) for k in range(5)]
    assert [number for number, _ in requested_frames([k / 10 for k in range(5)], 0.0, None, 25.0)] == [
        *(0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 4, 4, 4)
    ]  # 0.5 s at 25 a second, each the frame that is shown then
    assert requested_frames(times, 5.0, None, None) == []


@given(st.lists(st.floats(0.001, 1.0), min_size=1, max_size=50), st.floats(1.0, 120.0), st.floats(0.0, 5.0, width=16))
def test_a_rate_asks_for_frames_that_are_shown_then(gaps: list[float], rate: float, start: float) -> None:
    times = [sum(gaps[:k]) for k in range(len(gaps))]
    for number, time in requested_frames(times, start, None, rate):
        assert number == shown_at(times, start + time)
        assert times[number] <= start + time + 1e-5 or number == 0
        assert number + 1 == len(times) or times[number + 1] > start + time


def test_a_clip_that_is_called_as_a_frame_of_another_one_is_refused() -> None:
    clips = ClipList("mine", 1, (clip("a"), clip("a-000001")))
    with pytest.raises(DataError) as caught:
        clips.pairs(lambda ref: (["0", "1"], [0.0, 0.04]))
    assert caught.value.code == "duplicate-pair"
