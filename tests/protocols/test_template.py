"""Clips that sound drives: their template, back and forth, in frozen lists and those written by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from protocols import clips_by_hand
from protocols.clips import COLUMNS, FORMAT, TEMPLATE_FORMAT, Clip, ClipList
from protocols.custom_dataset import open_dataset
from protocols.errors import DataError
from protocols.pairs import FrameRef
from protocols.template import back_and_forth


def ref(clip: str, frame: str = "*") -> FrameRef:
    return FrameRef("own", clip, frame)


def clip(name: str = "a", **other: object) -> Clip:
    given = {"source": ref("old"), "driving": ref("new"), "target": ref("new"), "sound": None, "template": 0.0}
    return Clip(name, **given | {"source_identity": "p", "driving_identity": "p"} | other)


def frames(n: int, rate: float = 25.0):
    return lambda one: ([f"{k:07d}" for k in range(n)], [k / rate for k in range(n)])


@given(st.integers(1, 40), st.integers(0, 300))
def test_frames_are_taken_up_and_down(n: int, count: int) -> None:
    numbers = back_and_forth(n, count)
    assert len(numbers) == count
    assert numbers[:n] == list(range(min(n, count)))
    assert set(numbers) <= set(range(n))
    steps = [after - before for before, after in zip(numbers, numbers[1:])]
    assert all(abs(step) == (0 if n == 1 else 1) for step in steps)
    turns = [k for k, (before, after) in enumerate(zip(steps, steps[1:]), 1) if before != after]
    assert all(numbers[k] in (0, n - 1) for k in turns)


def test_no_frames_are_no_template() -> None:
    with pytest.raises(ValueError, match="0 frames"):
        back_and_forth(0, 3)


def test_the_source_of_each_frame_is_the_templates() -> None:
    made = ClipList("mine", 1, (clip(start=0.4, template=0.08, template_end=0.2),)).pairs(frames(20))
    assert [int(pair.source.frame) for pair in made.pairs] == [2, 3, 4, 3, 2, 3, 4, 3, 2, 3]
    assert all(pair.target == pair.driving == ref("new", f"{k:07d}") for k, pair in enumerate(made.pairs, 10))
    assert all(pair.source.clip == "old" for pair in made.pairs)


def test_the_template_is_taken_at_the_rate_that_is_asked_for() -> None:
    made = ClipList("mine", 1, (clip(rate=25.0, end=0.2),)).pairs(frames(20, 50.0))
    assert [int(pair.source.frame) for pair in made.pairs] == [0, 2, 4, 6, 8]


def test_a_template_after_the_end_is_refused() -> None:
    with pytest.raises(DataError) as caught:
        ClipList("mine", 1, (clip(template=9.0),)).pairs(frames(20))
    assert caught.value.code == "unknown-frame"


def test_what_drives_a_clip() -> None:
    assert (clip().driven_by, clip(template=None).driven_by) == ("sound", "frames")


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"template": -0.1}, "bad-number"),
        ({"template": float("nan")}, "bad-number"),
        ({"template": 1.0, "template_end": 1.0}, "bad-number"),
        ({"template": None, "template_end": 1.0}, "bad-row"),
        ({"source": ref("old", "0000003")}, "bad-row"),
    ],
)
def test_what_no_template_can_be_is_refused(wrong: dict, code: str) -> None:
    with pytest.raises(DataError) as caught:
        clip(**wrong)
    assert caught.value.code == code


def test_a_frozen_list_with_templates_reads_as_it_was_written(tmp_path: Path) -> None:
    made = ClipList("mine", 1, (clip("a", template_end=2.5), clip("b", template=None), clip("c", template=1.0)))
    made.write(tmp_path / "clips.csv")
    assert ClipList.read(tmp_path / "clips.csv") == made
    text = (tmp_path / "clips.csv").read_text(encoding="utf-8")
    assert TEMPLATE_FORMAT in text
    (tmp_path / "clips.csv").write_text(text.replace("2.500000", "2.600000"), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        ClipList.read(tmp_path / "clips.csv")
    assert caught.value.code == "changed-file"


def test_lists_without_templates_keep_their_form_and_hash(tmp_path: Path) -> None:
    made = ClipList("mine", 1, (clip("a", template=None), clip("b", template=None, start=1.5, end=3.0, rate=12.5)))
    # of the list as it was written and hashed before clips had templates
    assert made.sha256 == "4cf9799f9399051d491d00c6d7e9e667d6fa52b8481c0e1e93a377ebca9bcd14"
    made.write(tmp_path / "clips.csv")
    head, columns, *_ = (tmp_path / "clips.csv").read_text(encoding="utf-8").splitlines()
    assert f'"{FORMAT}"' in head
    assert columns == ",".join(COLUMNS)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    for name, n in {"old": 4, "new": 6, "photo": 1}.items():
        (root / name).mkdir(parents=True)
        for k in range(n):
            Image.fromarray(np.full((8, 8, 3), 10 * k, np.uint8)).save(root / name / f"{k:07d}.png")
    return root


def read(data: Path, text: str) -> ClipList:
    file = data.parent / "hand.csv"
    file.write_text(text, encoding="utf-8")
    return clips_by_hand.read(file, ["own"], lambda name: open_dataset(name, data))


def test_a_template_in_a_list_written_by_hand(data: Path) -> None:
    text = "source,driving,target,template,template_end\nold,new,new,0.04,0.12\nphoto,new,,0,\nold,new,,,\n"
    first, second, third = read(data, text).clips
    assert (first.source, first.template, first.template_end) == (ref("old"), 0.04, 0.12)
    assert (second.source, second.template, second.template_end) == (ref("photo"), 0.0, None)
    assert third.driven_by == "frames"


def test_a_template_of_one_frame_of_a_clip_is_refused_with_its_line(data: Path) -> None:
    with pytest.raises(DataError, match="line 2") as caught:
        read(data, "source,driving,template\nold/2,new,0\n")
    assert caught.value.code == "bad-row"
