"""Files as users have them, one for each kind: complete, in any order, upright, in square pixels and their colors."""

from __future__ import annotations

import random
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import made_videos, numbered
from support.numbered import BLUE, GRAY, GREEN, ODD, RED, UPRIGHT
from support.refused import refused

from protocols import geometry
from protocols.custom_dataset import open_dataset
from protocols.errors import DataError
from protocols.images import read_rgb
from protocols.moving import open_video
from protocols.pairs import FrameRef
from protocols.video import BY_TIME, DECODED

# How each is seen, and what turns the picture back so that its bars can be read.
SEEN = {
    "base.mp4": (UPRIGHT, lambda image: image),
    "mirror.mp4": ((GREEN, RED, GRAY, BLUE), np.fliplr),
    "flip.mp4": ((BLUE, GRAY, RED, GREEN), np.flipud),
    "turn90.mp4": ((BLUE, RED, GRAY, GREEN), np.rot90),
    "turn180.mp4": ((GRAY, BLUE, GREEN, RED), lambda image: image[::-1, ::-1]),
}
FRAMES = {"moving.gif": 6, "moving.png": 6, "moving.webp": 6}
NAMES = [
    *SEEN,
    *("bframes.avi", "gop10.ts", "mpeg2.mpg", "joined.ts", "raw.h264", "sar.mp4", "longaudio.mp4"),
    *FRAMES,
]


def expected_numbers(name: str) -> list[int]:
    return [*range(20), *range(20)] if name == "joined.ts" else list(range(FRAMES.get(name, 40)))


def check(name: str, length: int, frame: Callable[[int], np.ndarray]) -> None:
    """All frames in order, backwards and at random."""
    colors, turn_back = SEEN.get(name, SEEN["base.mp4"])
    numbers = expected_numbers(name)
    assert length == len(numbers)
    in_order = [frame(k) for k in range(length)]
    assert [numbered.number(turn_back(image)) for image in in_order] == numbers
    for image in in_order:
        np.testing.assert_allclose(numbered.quarters(image), colors, atol=4)
    any_order = [*reversed(range(length)), *random.Random(1).choices(range(length), k=2 * length)]
    for k in any_order:
        np.testing.assert_array_equal(frame(k), in_order[k])


@pytest.mark.parametrize("name", NAMES)
def test_frames_in_any_order(name: str):
    video = open_video(ODD / name)
    check(name, len(video), video.frame)
    assert video.size == video.frame(0).shape[:2]
    assert len(video.times) == len(video) and video.end > video.times[-1]
    assert all(one < other for one, other in zip(video.times, video.times[1:]))
    assert float(video.rate) == pytest.approx(25)
    video.close()


@pytest.mark.parametrize("name", [name for name in NAMES if name != "moving.png"])
def test_in_a_folder_of_ones_own(name: str, tmp_path: Path):
    shutil.copy(ODD / name, tmp_path)
    data = open_dataset("mine", tmp_path)
    assert data.clips() == [name]
    check(name, len(data.frames(name)), lambda k: data.frame(FrameRef("mine", name, f"{k:07d}")))
    assert data.size(FrameRef("mine", name, "0000000")) == data.frame(FrameRef("mine", name, "0000000")).shape[:2]


def test_names_as_people_give_them(tmp_path: Path):
    names = ["a b.mp4", "id1#x#0#1.mp4", "[take] {2} 100%.mp4", "Größe-日本.mp4", "it's; $HOME.mp4", "-rf.mp4"]
    for name in names:
        shutil.copy(ODD / "base.mp4", tmp_path / name)
    data = open_dataset("mine", tmp_path)
    assert sorted(data.clips()) == sorted(names)
    for name in names:
        assert len(data.frames(name)) == 40
        assert numbered.number(data.frame(FrameRef("mine", name, "0000037"))) == 37


@pytest.mark.parametrize("name", ["moving.gif", "moving.webp"])
def test_pictures_that_could_be_transparent_and_are_not_are_not_named(name: str):
    assert "transparency" not in open_video(ODD / name).facts


def test_few_key_frames_are_named(tmp_path: Path):
    plan = made_videos.Plan("mp4", "libx264", frames=610, size=(32, 32), gop=1000)
    made_videos.write(plan, tmp_path / "long.mp4")
    kind, _, words = open_video(tmp_path / "long.mp4").facts["seeking"].partition(":")
    assert kind == "slow" and "610" in words.split()


def test_angles_other_than_quarters_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match=r"\b30 degrees"):
        geometry.turn(struct.pack("=9i", 56756, 32768, 0, -32768, 56756, 0, 0, 0, 1 << 30))
    assert geometry.turn(None) == geometry.UPRIGHT


def test_not_square_pixels_become_square():
    video = open_video(ODD / "sar.mp4")
    assert video.size == (120, 213) and video.facts["pixels"] == "4:3, made square"


@pytest.mark.parametrize(("name", "curve"), [("hlg.mp4", "HLG"), ("pq.mp4", "PQ")])
def test_hdr_is_refused_in_one_line(name: str, curve: str):
    for ask in (lambda video: video.facts, lambda video: video.size, lambda video: video.frame(3)):
        with refused(DataError, "unsupported-colors", name, curve) as caught:
            ask(open_video(ODD / name))
        assert "\n" not in str(caught.value)


def test_what_is_said_of_each(tmp_path: Path):
    names = ("bframes.avi", "flip.mp4", "mpeg2.mpg", "sar.mp4")
    for name in names:
        shutil.copy(ODD / name, tmp_path)
    data = open_dataset("mine", tmp_path)
    for name in names:
        for frame in ("0000000", "0000001"):
            data.size(FrameRef("mine", name, frame))
    assert data.reading.summary() == {
        "videos": {
            "files": 4,
            "frames": {DECODED: 2, BY_TIME: 2},
            "matrix": {"bt601 (untagged)": 4},
            "orientation": {geometry.name((1, 0, 0, -1)): 1},
            "pixels": {"4:3, made square": 1},
            "range": {"limited": 4},
        }
    }
    untagged, pixels = data.reading.notices()
    assert "4 of 4 videos" in untagged and "bframes.avi" in untagged
    assert "1 of 4 videos" in pixels and "sar.mp4" in pixels


@pytest.mark.parametrize(("name", "clock"), [("joined.ts", "restarts"), ("raw.h264", "none")])
def test_clocks_that_cannot_be_used_are_named(name: str, clock: str):
    kind, _, words = open_video(ODD / name).facts["clock"].partition(",")
    assert kind == clock and "25" in words.split()


def test_a_rate_may_be_given_where_there_is_no_clock():
    video = open_video(ODD / "raw.h264", rate=10)
    assert video.rate == 10 and float(video.times[39] * video.time_base) == pytest.approx(3.9)
    assert open_video(ODD / "base.mp4", rate=10).rate == 25


def test_portraits_stand_upright_but_for_benchmark_data_sets(tmp_path: Path):
    upright = read_rgb(ODD / "exif6.jpg")
    assert upright.shape == (160, 120, 3) or upright.shape == (120, 160, 3)
    np.testing.assert_allclose(numbered.quarters(upright), UPRIGHT, atol=4)
    assert numbered.number(upright) == 21
    clip = tmp_path / "vox" / "test" / "id1#a#0#1.mp4"
    own, folders = tmp_path / "own", tmp_path / "folders" / "clip"
    for folder, name in ((clip, "0000000.jpg"), (own, "face.jpg"), (folders, "0000000.jpg")):
        folder.mkdir(parents=True)
        shutil.copy(ODD / "exif6.jpg", folder / name)
    for root, ref in (
        (own, FrameRef("mine", "face.jpg", "0000000")),
        (folders.parent, FrameRef("mine", "clip", "0000000")),
    ):
        data = open_dataset("mine", root)
        np.testing.assert_array_equal(data.frame(ref), upright)
        assert data.size(ref) == upright.shape[:2]
        assert data.reading.summary()["pictures"]["orientation"] == {"turned 90 degrees clockwise": 1}
        assert data.reading.notices() == []
    ref = FrameRef("vox1", "test/id1#a#0#1.mp4", "0000000")
    data = open_dataset("vox1", tmp_path / "vox")
    np.testing.assert_array_equal(data.frame(ref), np.asarray(Image.open(ODD / "exif6.jpg").convert("RGB")))
    assert data.size(ref) == upright.shape[1::-1]
    assert data.reading.summary()["pictures"]["read"] == "as stored"
    assert "EXIF orientation" in data.reading.notices()[0]


@pytest.mark.parametrize("mode", ["RGBA", "P", "LA"])
def test_what_is_transparent_is_white(mode: str, tmp_path: Path):
    hidden = Image.open(ODD / "hidden-colour.png")
    if mode == "P":
        image = Image.new("P", (8, 8), 1)
        image.putpalette([255, 0, 255, 10, 20, 30])
        image.paste(0, (0, 0, 4, 8))
        image.save(tmp_path / "hidden.png", transparency=0)
    elif mode == "LA":
        Image.merge("LA", (Image.new("L", hidden.size, 30), hidden.getchannel("A"))).save(tmp_path / "hidden.png")
    else:
        shutil.copy(ODD / "hidden-colour.png", tmp_path / "hidden.png")
    image = read_rgb(tmp_path / "hidden.png")
    left = image[:, : image.shape[1] // 4 - 1]
    assert (left == 255).all()
    assert not (image[:, image.shape[1] // 2 + 1 :] == 255).all(-1).any()
    data = open_dataset("mine", tmp_path)
    data.size(FrameRef("mine", "hidden.png", "0000000"))
    assert "hidden.png" in data.reading.notices()[0]
