"""Frames of a folder follow each other at a constant rate, or the folder is refused where time matters."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.finished_videos import frames as pictures
from support.finished_videos import write
from support.layouts_on_disk import picture
from support.refused import refused

from protocols import catalogue
from protocols.clip_sampling import frames_of
from protocols.clips import Clip, ClipList
from protocols.custom_dataset import open_dataset
from protocols.datasets import Dataset, natural
from protocols.errors import DataError
from protocols.frame_numbers import aligned, numbers, step
from protocols.pairs import WHOLE_CLIP, FrameRef
from protocols.resolve import draw, resolve
from protocols.stretches import stretches


def folder(root: Path, names: list[str]) -> Path:
    for seed, name in enumerate(names):
        picture(root / f"{name}.png", seed, (16, 16))
    return root


@given(st.integers(0, 10**7), st.integers(1, 50), st.integers(2, 40), st.sampled_from(["{:07d}", "f_{}", "v2-{:03d}x"]))
def test_any_first_number_and_any_constant_step(first: int, rise: int, n: int, form: str):
    wanted = list(range(first, first + n * rise, rise))
    names = sorted((form.format(number) for number in wanted), key=natural)
    assert numbers(names) == wanted and step(names) == rise


@given(st.integers(0, 1000), st.integers(1, 5), st.sets(st.integers(1, 28), min_size=1, max_size=5))
def test_gaps_are_named(first: int, rise: int, lost: set[int]):
    kept = [first + rise * k for k in range(32) if k not in lost]  # 29 to 31 remain, so the step is known
    with refused(DataError, "frame-gap", first + rise * min(lost), f"{len(lost)} frame number"):
        step([f"{number:07d}" for number in kept])


@pytest.mark.parametrize(
    ("names", "values"),
    [
        (["0", "1", "3"], [" 2"]),
        (["0005", "0010", "0020"], [" 15;"]),
        (["f_8", "f_9", "f_14"], ["10 to 13"]),
        (["01", "1", "2"], [" 1"]),
        (["000", "001", "cover"], ["000", "cover"]),
    ],
    ids=["one", "of a step", "several", "twice", "another picture"],
)
def test_what_does_not_rise_evenly_is_refused(names: list[str], values: list[str]):
    with refused(DataError, "frame-gap", *values):
        step(names)


@pytest.mark.parametrize("names", [[], ["7"], ["cover"], ["a", "b", "c"], ["a1_4", "a1_5", "a2_1"]])
def test_names_without_one_number_have_no_step(names: list[str]):
    assert step(names) is None


def test_two_clips_are_aligned_by_their_numbers():
    assert aligned(["0", "1", "3"], ["105", "110", "120"]) and aligned(["a", "b", "c"], ["0", "1", "3"])
    assert not aligned(["0", "1", "3"], ["0", "2", "3"]) and not aligned(["0", "1", "3"], ["0", "1", "2"])


def test_times_need_numbers_without_a_gap(tmp_path: Path):
    folder(tmp_path / "even", ["0000123", "0000124", "0000125", "._0000126"])
    folder(tmp_path / "gap", ["0", "1", "3"])
    data = open_dataset("mine", tmp_path)
    assert data.times("even") == [0.0, 0.04, 0.08] and data.end("even") == 0.12
    assert data.frames("gap") == ["0", "1", "3"]  # single frames need no time
    for asked in (data.times, data.end):
        with refused(DataError, "frame-gap", tmp_path / "gap", " 2"):
            asked("gap")


def test_whole_clips_are_refused_and_single_frames_are_not(tmp_path: Path):
    folder(tmp_path / "anna", ["0", "1", "3"])
    folder(tmp_path / "ben", ["0", "5", "10"])
    protocol = replace(catalogue.get("own-reconstruction"), frame_size=16)
    with refused(DataError, "frame-gap", tmp_path / "anna", " 2"):
        resolve(protocol, {"mine": tmp_path}, tmp_path, asked=("mine",), crop="none")
    (tmp_path / "anna" / "3.png").rename(tmp_path / "anna" / "2.png")
    found = resolve(protocol, {"mine": tmp_path}, tmp_path, asked=("mine",), crop="none")
    assert [pair.time for pair in found.pair_list.pairs] == pytest.approx([0, 0.04, 0.08] * 2)
    (told,) = (line for line in found.notices if getattr(line, "code", "") == "frame-step")
    assert "ben (5)" in told and "anna" not in told and "25 per second" in told
    (tmp_path / "anna" / "2.png").rename(tmp_path / "anna" / "3.png")
    pairs = draw(open_dataset("mine", tmp_path), catalogue.get("own-sameid"), 0)
    assert "mine/anna/3" in {str(ref) for ref in pairs.refs()}


def test_names_without_numbers_are_said(tmp_path: Path):
    folder(tmp_path / "anna", ["a", "b"])
    folder(tmp_path / "ben", ["0", "1"])
    protocol = replace(catalogue.get("own-reconstruction"), frame_size=16)
    found = resolve(protocol, {"mine": tmp_path}, tmp_path, asked=("mine",), crop="none")
    (told,) = (line for line in found.notices if getattr(line, "code", "") == "unnumbered-frames")
    assert "anna" in told and "ben" not in told


def test_seconds_to_train_on_need_times(tmp_path: Path):
    names = [f"{number:04d}" for number in range(30)]
    folder(tmp_path / "anna" / "ori_imgs", [*names, "0031"])
    with refused(DataError, "frame-gap", tmp_path / "anna" / "ori_imgs", " 30"):
        stretches(catalogue.get("obama-selfdriven"), open_dataset("obama", tmp_path))


def test_videos_and_data_sets_with_times_have_no_gaps(tmp_path: Path):
    write(tmp_path / "videos" / "a.mkv", pictures(range(3)))
    data = open_dataset("mine", tmp_path / "videos")
    assert data.times("a.mkv") == pytest.approx([0, 0.04, 0.08])
    folder(tmp_path / "timed" / "a", ["0", "1", "3"])

    class Timed(Dataset):
        """A layout that knows its times."""

        def times(self, clip: str) -> list[float]:
            return [int(name) / self.rate for name in self.frames(clip)]

    timed, ref = Timed("timed", tmp_path / "timed"), FrameRef("timed", "a", WHOLE_CLIP)
    clips = ClipList("one", 1, (Clip("a", ref, ref, ref, None, "a", "a"),))
    pairs, notices = frames_of(clips, {"timed": timed}, "absolute")
    assert [pair.time for pair in pairs.pairs] == [0, 0.04, 0.12]
    assert [getattr(line, "code", "") for line in notices] == ["assumed-rate"]
