"""Talking faces in the forms in which they lie on disks: videos with sound, frames with a sound file."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from support.finished_videos import frames as pictures
from support.finished_videos import write
from support.layouts_on_disk import frames

from protocols import catalogue, sound
from protocols.custom_dataset import open_dataset
from protocols.pairs import FrameRef
from protocols.stretches import stretches

SILENCE = np.zeros((1, 16000), np.int16)


def video(file: Path, n: int = 25, sound: bool = True) -> Path:
    return write(file, pictures(range(n)), sound=SILENCE if sound else None)


def wave(file: Path) -> Path:
    """A sound file of one second."""
    import wave as waves

    file.parent.mkdir(parents=True, exist_ok=True)
    with waves.open(str(file), "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(16000)
        written.writeframes(SILENCE.tobytes())
    return file


def seconds(file: Path | None) -> float:
    assert file is not None
    found = sound.read(file)
    assert found is not None
    return found.seconds


@pytest.mark.parametrize("below", ["", "test/", "videos/hdtf/"])
def test_hdtf_as_videos(tmp_path: Path, below: str) -> None:
    video(tmp_path / f"{below}WDA_CarolynMaloney1_000.mkv")
    video(tmp_path / f"{below}RD_Radio34_001.mkv")
    data = open_dataset("hdtf", tmp_path)
    assert sorted(map(data.identity, data.clips("test"))) == ["CarolynMaloney", "Radio34"]
    assert not data.assumed_rate and data.crops
    assert [round(seconds(data.sound_file(clip)), 2) for clip in data.clips()] == [1.0, 1.0]


def test_hdtf_as_frames_is_what_it_was(tmp_path: Path) -> None:
    frames(tmp_path / "test" / "WDA_CarolynMaloney1_000.mp4", 3, digits=6, suffix=".jpg", size=16)
    wave(tmp_path / "test" / "WDA_CarolynMaloney1_000.wav")
    data = open_dataset("hdtf", tmp_path)
    (clip,) = data.clips("test")
    assert data.identity(clip) == "CarolynMaloney" and data.assumed_rate and not data.crops
    assert seconds(data.sound_file(clip)) == 1.0


@pytest.mark.parametrize("form", ["s1/{}.mkv", "s1/video/{}.mkv", "s1/video/mpg_6000/{}.mkv"])
@pytest.mark.parametrize("heard", ["inside", "s1/{}.wav", "s1/audio/{}.wav", "audio_25k/s1/{}.wav"])
def test_grid_as_videos(tmp_path: Path, form: str, heard: str) -> None:
    names = ("bbaf2n", "lwwz3s")
    for name in names:
        video(tmp_path / form.format(name), sound=heard == "inside")
        if heard != "inside":
            wave(tmp_path / heard.format(name))
    data = open_dataset("grid", tmp_path)
    assert [Path(clip).stem for clip in data.clips()] == list(names)
    assert set(map(data.identity, data.clips())) == {"s1"}
    beside = heard == "inside" or "/audio/" in heard or heard.startswith("audio") or form == "s1/{}.mkv"
    assert all((data.sound_file(clip) is not None) == beside for clip in data.clips())
    assert data.left_out() == [] or not beside


def test_a_sentence_in_two_qualities_is_one_clip(tmp_path: Path) -> None:
    for name in ("s1/bbaf2n.mkv", "s1/video/mpg_6000/bbaf2n.mkv", "s2/bbaf2n.mkv"):
        video(tmp_path / name)
    data = open_dataset("grid", tmp_path)
    assert data.clips() == ["s1/video/mpg_6000/bbaf2n.mkv", "s2/bbaf2n.mkv"]


@pytest.mark.parametrize("below", ["", "/frames"])
def test_grid_as_frames(tmp_path: Path, below: str) -> None:
    for name in ("s1/bbaf2n", "s1/lwwz3s", "s34/bbaf2n"):
        frames(tmp_path / f"{name}{below}", 4, size=16)
        wave(tmp_path / f"{name}.wav")
    (tmp_path / "s1" / "audio").mkdir()
    (tmp_path / "other").mkdir()
    data = open_dataset("grid", tmp_path)
    assert data.clips() == [f"{name}{below}" for name in ("s1/bbaf2n", "s1/lwwz3s", "s34/bbaf2n")]
    assert [data.identity(clip) for clip in data.clips()] == ["s1", "s1", "s34"]
    assert all(data.sound_file(clip) == tmp_path / f"{clip.removesuffix('/frames')}.wav" for clip in data.clips())
    shutil.move(tmp_path / "s1" / "bbaf2n.wav", tmp_path / "s1" / "audio" / "bbaf2n.wav")
    assert data.sound_file(data.clips()[0]) == tmp_path / "s1" / "audio" / "bbaf2n.wav"


def test_obama_as_one_video_and_as_a_folder_of_them(tmp_path: Path) -> None:
    file = video(tmp_path / "obama.mkv", 60)
    for root in (file, tmp_path):
        data = open_dataset("obama", root)
        assert [data.identity(clip) for clip in data.clips()] == ["obama"]
        assert seconds(data.sound_file("obama.mkv")) == 1.0


@pytest.mark.parametrize("heard", ["o/aud.wav", "o/audio.wav", "o.wav", "o/o.wav", "o/ori_imgs.wav"])
def test_obama_as_the_frames_of_adnerf(tmp_path: Path, heard: str) -> None:
    frames(tmp_path / "o" / "ori_imgs", 5, digits=1, suffix=".jpg", size=16)
    file = wave(tmp_path / heard)
    data = open_dataset("obama", tmp_path)
    assert data.clips() == ["o/ori_imgs"] and data.identity("o/ori_imgs") == "obama"
    assert data.frames("o/ori_imgs") == ["0", "1", "2", "3", "4"]
    assert data.sound_file("o/ori_imgs") == file
    assert data.frame(FrameRef("obama", "o/ori_imgs", "3"), 16).shape == (16, 16, 3)


@pytest.mark.parametrize("heard", ["anna/frames.wav", "anna/audio.wav", "anna.wav", "anna/frames/audio.wav"])
def test_frames_of_ones_own_with_sound_beside_them(tmp_path: Path, heard: str) -> None:
    frames(tmp_path / "anna" / "frames", 3, size=16)
    file = wave(tmp_path / heard)
    data = open_dataset("mine", tmp_path)
    assert data.clips() == ["anna/frames"] and data.sound_file("anna/frames") == file
    assert data.left_out() == []


def test_sound_that_is_no_clips_is_named(tmp_path: Path) -> None:
    frames(tmp_path / "anna" / "frames", 3, size=16)
    wave(tmp_path / "ben.wav")
    (line,) = open_dataset("mine", tmp_path).left_out()
    assert "ben.wav" in line


def test_a_video_of_ones_own_is_cut_by_time(tmp_path: Path) -> None:
    video(tmp_path / "anna.mkv", 500, sound=False)
    found = stretches(catalogue.get("own-talking"), open_dataset("mine", tmp_path))
    assert [(one.clip, one.identity, one.use) for one in found] == [
        ("anna.mkv", "anna", "train"),
        ("anna.mkv", "anna", "test"),
    ]
    assert found[1].start == pytest.approx(18.0, abs=0.01) and found[1].end == pytest.approx(20.0, abs=0.01)
