"""Custom folders: what is read of them, what is named as left out, and where links may lead."""

from __future__ import annotations

import shutil
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from support.layouts_on_disk import frames, picture, vox
from support.refused import refused

from protocols.custom_dataset import FrameFolders, VideoFolder, open_dataset
from protocols.errors import DataError
from protocols.folder import PICTURES, VIDEOS, find
from protocols.pairs import FrameRef


def moving(file: Path, count: int = 3) -> None:
    images = [Image.fromarray(np.full((64, 64, 3), 60 * number, np.uint8)) for number in range(count)]
    images[0].save(file, save_all=count > 1, append_images=images[1:], duration=40, lossless=True)


def video(file: Path, codec: str = "mpeg2video", form: str | None = None) -> None:
    with av.open(str(file), "w", format=form) as output:
        stream = output.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        for number in range(4):
            frame = av.VideoFrame.from_ndarray(np.full((64, 96, 3), 40 * number, np.uint8), format="rgb24")
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def test_every_kind_of_file_is_read_or_named(tmp_path: Path):
    video(tmp_path / "talk.ts", form="mpegts")
    (tmp_path / "sub").mkdir()
    video(tmp_path / "sub" / "talk.FLV", "flv1", "flv")
    video(tmp_path / "old.wmv", "wmv2", "asf")
    moving(tmp_path / "moving.gif")
    moving(tmp_path / "moving.webp")
    moving(tmp_path / "still.webp", 1)
    picture(tmp_path / "photo.bmp", seed=0)
    picture(tmp_path / ".thumbnail.png", seed=0)
    for name in ("notes.txt", "photo.heic", "talk.wav", "identities.csv"):
        (tmp_path / name).write_text("")
    data = open_dataset("mine", tmp_path)
    assert data.clips() == [
        *("moving.gif", "moving.webp", "old.wmv", "photo.bmp", "still.webp", "sub/talk.FLV", "talk.ts"),
    ]
    (line,) = data.left_out()
    assert "2 files" in line and line.endswith("notes.txt, photo.heic"), "talk.wav is the sound of talk.ts"
    counts = {clip: len(data.frames(clip)) for clip in data.clips()}
    assert counts == {
        "moving.gif": 3,
        "moving.webp": 3,
        "old.wmv": 4,
        "photo.bmp": 1,
        "still.webp": 1,
        "sub/talk.FLV": 4,
        "talk.ts": 4,
    }
    for clip in counts:
        assert data.frame(FrameRef("mine", clip, data.frames(clip)[-1]), 64).shape == (64, 64, 3)


def test_many_names_are_cut_short_but_counted(tmp_path: Path):
    picture(tmp_path / "photo.png", seed=0)
    for number in range(9):
        (tmp_path / f"{number}.txt").write_text("")
    (line,) = open_dataset("mine", tmp_path).left_out()
    assert "9 files" in line and line.endswith("0.txt, 1.txt, 2.txt, 3.txt, 4.txt and 4 more")


def test_a_folder_without_anything_that_is_read_names_what_is_there(tmp_path: Path):
    (tmp_path / "photo.heic").write_text("")
    with refused(DataError, "empty-dataset", "photo.heic"):
        open_dataset("mine", tmp_path)


def test_types_are_no_picture_and_video_at_once():
    assert not {*PICTURES} & {*VIDEOS} and all(kind == kind.lower() for kind in PICTURES + VIDEOS)


def test_folders_of_frames_at_any_depth(tmp_path: Path):
    frames(tmp_path / "anna" / "monday", 2)
    frames(tmp_path / "anna" / "tuesday", 3, suffix=".bmp")
    picture(tmp_path / "ben" / "0000001.png", seed=0)
    shutil.copy(tmp_path / "ben" / "0000001.png", tmp_path / "ben" / "0000001.jpg")
    (tmp_path / "ben" / "landmarks.npy").write_bytes(b"")
    (tmp_path / "identities.csv").write_text("anna/monday,anna\nanna/tuesday,anna\n")
    data = open_dataset("mine", tmp_path)
    assert isinstance(data, FrameFolders) and data.clips() == ["anna/monday", "anna/tuesday", "ben"]
    assert [data.identity(clip) for clip in data.clips()] == ["anna", "anna", "ben"]
    assert [len(data.frames(clip)) for clip in data.clips()] == [2, 3, 1]
    assert not data.missing([FrameRef("mine", "anna/tuesday", "0000002")])
    others, twice = data.left_out()
    assert others.endswith("ben/landmarks.npy") and "1 file " in twice and twice.endswith(".png")


@pytest.mark.parametrize("stray", ["anna/preview.gif", "photo.png"])
def test_frames_that_a_stray_file_makes_clips_are_counted_first(tmp_path: Path, stray: str):
    frames(tmp_path / "anna", 3)
    frames(tmp_path / "ben", 2)
    picture(tmp_path / "ben" / "portrait.png", seed=0)
    picture(tmp_path / "ben" / "sitting.png", seed=0)
    assert not open_dataset("mine", tmp_path).left_out()
    picture(tmp_path / stray, seed=0)
    line = open_dataset("mine", tmp_path).left_out()[0]
    assert line.code == "single-pictures" and "5 numbered pictures" in line and "5 clips" in line and stray in line
    for file in tmp_path.glob("*/0*.png"):
        file.rename(file.with_name(f"{'abcdefgh'[int(file.stem)]}.png"))
    assert not open_dataset("mine", tmp_path).left_out()


@pytest.fixture
def linked(tmp_path: Path) -> tuple[Path, Path]:
    """A root whose `test` folder is a link to another disk, and one of own videos with linked folder and file."""
    disk, root, own = tmp_path / "disk", tmp_path / "root", tmp_path / "own"
    vox(disk, n=2)
    frames(disk / "pictures" / "anna", 2)
    root.mkdir()
    own.mkdir()
    (root / "test").symlink_to(disk / "test")
    (own / "people").symlink_to(disk / "pictures")
    frames(disk / "photos", 1)
    (own / "photo.png").symlink_to(disk / "photos" / "0000000.png")
    (own / "people" / "circle").symlink_to(own)
    (own / "lost.png").symlink_to(disk / "nothing.png")
    return root, own


def test_a_linked_split_needs_a_word(linked: tuple[Path, Path]):
    root, _ = linked
    clip = open_dataset("vox1", root).clips("test")[0]
    ref = FrameRef("vox1", clip, "0000001")
    with refused(DataError, "link-leads-out", "--follow-links"):
        open_dataset("vox1", root).missing([ref])
    data = open_dataset("vox1", root, follow_links=True)
    assert not data.missing([ref]) and data.frame(ref, 64).shape == (64, 64, 3)


def test_linked_folders_of_ones_own(linked: tuple[Path, Path]):
    _, own = linked
    closed = open_dataset("mine", own)
    assert closed.clips() == ["photo.png"]
    (line,) = closed.left_out()
    assert "2 links" in line and "--follow-links" in line and line.endswith("lost.png, people")
    with refused(DataError, "link-leads-out", "--follow-links"):
        closed.frame(FrameRef("mine", "photo.png", "0000000"))
    data = open_dataset("mine", own, follow_links=True)
    assert data.clips() == ["people/anna/0000000.png", "people/anna/0000001.png", "photo.png"]
    clips, lost, again = data.left_out()
    assert "2 numbered pictures" in clips and lost.endswith("lost.png") and again.endswith(": people/circle")
    for clip in data.clips():
        assert data.frame(FrameRef("mine", clip, "0000000"), 64).shape == (64, 64, 3)


def test_each_real_file_is_found_once(tmp_path: Path):
    """Two names of one file would be two people."""
    root = tmp_path / "out" / "root"
    for here, there in (("a", "b"), ("b", "a")):
        frames(root / here, 1)
        (root / here / "link").symlink_to(root / there)
    frames(tmp_path / "out" / "else", 1)
    (root / "up").symlink_to("../..")
    (root / "0.png").symlink_to("a/0000000.png")
    found = find(root, follow_links=True)
    assert found.pictures == ("a/0000000.png", "b/0000000.png", "up/out/else/0000000.png")
    assert found.again == ("0.png", "a/link", "b/link", "up/out/root") and not found.links
    line = open_dataset("mine", root, follow_links=True).left_out()[0]
    assert line.code == "repeated-links" and "4 links" in line
    closed = find(root)
    assert closed.pictures == ("a/0000000.png", "b/0000000.png")
    assert closed.again == ("0.png",) and closed.links == ("a/link", "b/link", "up")


def test_a_link_to_a_file_that_is_not_read_is_read(tmp_path: Path):
    """Stores keep contents under hashes and name them by links."""
    (tmp_path / "blobs").mkdir()
    picture(tmp_path / "x.png", seed=0)
    (tmp_path / "x.png").rename(tmp_path / "blobs" / "4f1a")
    for name in ("ben.png", "copy.png"):
        (tmp_path / name).symlink_to("blobs/4f1a")
    found = find(tmp_path)
    assert found.pictures == ("ben.png",) and found.again == ("copy.png",)


def test_file_links_in_a_circle_lead_nowhere(tmp_path: Path):
    frames(tmp_path / "a", 1)
    (tmp_path / "x").symlink_to("y")
    (tmp_path / "y").symlink_to("x")
    for follow_links in (False, True):
        found = find(tmp_path, follow_links)
        assert found.pictures == ("a/0000000.png",) and found.links == ("x", "y")


@pytest.mark.parametrize("clip", ["../disk/pictures/anna", "people/../../disk/pictures/anna", "/disk"])
def test_names_never_lead_out_even_where_links_may(linked: tuple[Path, Path], clip: str):
    with refused(DataError, "bad-name"):
        VideoFolder("mine", linked[1], follow_links=True).path(FrameRef("mine", clip, "0000001"))
