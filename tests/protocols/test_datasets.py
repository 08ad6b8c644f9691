from __future__ import annotations

import os
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.layouts_on_disk import VOX_CLIPS, frames, picture, vox
from support.refused import refused

from protocols import catalogue
from protocols.check import Checked, check_frames
from protocols.custom_dataset import VideoFolder, open_dataset
from protocols.datasets import Dataset
from protocols.errors import DataError
from protocols.images import read_rgb
from protocols.pairs import FrameRef, Pair, PairList
from protocols.rendezvous import rendezvous_pairs

VOX_CLIP = "test/" + VOX_CLIPS["id10280"][0]


def test_voxceleb_layout(tmp_path: Path):
    data = open_dataset("vox1", vox(tmp_path, n=3))
    assert len(data.clips("test")) == 5 and data.clips("train") == []
    assert VOX_CLIP in data.clips()
    assert data.identity(VOX_CLIP) == "id10280"
    assert data.frames(VOX_CLIP) == ["0000000", "0000001", "0000002"]
    expected = picture(tmp_path / "expected.png", seed=1, size=(64, 64))
    np.testing.assert_array_equal(data.frame(FrameRef("vox1", VOX_CLIP, "0000001")), expected)


@pytest.mark.parametrize("below", ["", "test"])
def test_hdtf_layout_in_both_arrangements(tmp_path: Path, below: str):
    frames(tmp_path / below / "WDA_CarolynMaloney1_000.mp4", 2, digits=6, suffix=".jpg")
    data = open_dataset("hdtf", tmp_path)
    assert data.clips("test") == ["WDA_CarolynMaloney1_000.mp4"]
    assert data.missing([FrameRef("hdtf", "WDA_CarolynMaloney1_000.mp4", "000001")]) == []


@pytest.mark.parametrize(
    ("clip", "identity"),
    [
        ("WDA_CarolynMaloney1_000.mp4", "CarolynMaloney"),
        ("WRA_BobGoodlatte0_003.mp4", "BobGoodlatte"),
        ("WRA_MittRomney_000.mp4", "MittRomney"),
        ("RD_Radio34_001.mp4", "Radio34"),
        ("somebody.mp4", "somebody"),
        ("WDA_007_000.mp4", "WDA_007_000"),
    ],
)
def test_hdtf_identities(tmp_path: Path, clip: str, identity: str):
    frames(tmp_path / clip, 1, digits=6, suffix=".jpg")
    assert open_dataset("hdtf", tmp_path).identity(clip) == identity


def test_celebv_layout_and_order_of_frames(tmp_path: Path):
    for name in ("P_Trump_9.jpg_0000000002", "P_Trump_10.jpg_0000000003", "P_Trump_1.jpg_0000000001"):
        picture(tmp_path / "Donald_Trump" / "Image" / f"{name}.jpg", seed=1)
    (tmp_path / "Donald_Trump" / "Boundary").mkdir()
    data = open_dataset("celebv", tmp_path)
    assert data.clips("test") == ["Donald_Trump"]
    assert data.frames("Donald_Trump")[0].endswith("_0000000001") and data.frames("Donald_Trump")[2].endswith(
        "_0000000003"
    )
    assert data.frame(FrameRef("celebv", "Donald_Trump", "P_Trump_9.jpg_0000000002")).shape == (256, 256, 3)


def test_ted_layout_keeps_its_pixels(tmp_path: Path):
    frames(tmp_path / "test" / "A2DzsgJSwcc#009831#010018.mp4", 2, size=384)
    data = open_dataset("ted", tmp_path)
    (clip,) = data.clips("test")
    assert data.identity(clip) == "A2DzsgJSwcc"
    assert data.frame(FrameRef("ted", clip, "0000000"), 384).shape == (384, 384, 3)


@pytest.mark.parametrize("name", ["vox1", "vox2", "hdtf", "celebv", "ted", "mine"])
def test_wrong_roots_say_what_was_expected(tmp_path: Path, name: str):
    with refused(DataError, "missing-folder"):
        open_dataset(name, tmp_path / "nothing")
    with refused(DataError, "empty-dataset"):
        open_dataset(name, tmp_path)


def test_pictures_of_every_kind(tmp_path: Path):
    gray = np.arange(64, dtype=np.uint8).reshape(8, 8)
    rgb = np.stack([gray, gray + 60, gray + 120], -1)
    Image.fromarray(gray).save(tmp_path / "gray.png")
    np.testing.assert_array_equal(read_rgb(tmp_path / "gray.png"), np.repeat(gray[..., None], 3, -1))
    Image.fromarray(np.dstack([rgb, gray])).save(tmp_path / "alpha.png")
    np.testing.assert_array_equal(read_rgb(tmp_path / "alpha.png", stored=True), rgb)
    alpha = gray[..., None] / 255
    np.testing.assert_allclose(read_rgb(tmp_path / "alpha.png"), rgb * alpha + 255 * (1 - alpha), atol=0.5)
    Image.fromarray(np.dstack([gray, gray])).save(tmp_path / "gray_alpha.png")
    np.testing.assert_array_equal(read_rgb(tmp_path / "gray_alpha.png", stored=True), np.repeat(gray[..., None], 3, -1))
    blended = np.repeat(gray[..., None] * alpha + 255 * (1 - alpha), 3, -1)
    np.testing.assert_allclose(read_rgb(tmp_path / "gray_alpha.png"), blended, atol=0.5)
    Image.fromarray(rgb).quantize(256).save(tmp_path / "palette.png")
    np.testing.assert_array_equal(read_rgb(tmp_path / "palette.png"), rgb)


def png(width: int, height: int, depth: int, color: int, rows: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_broken_pictures_are_named(tmp_path: Path):
    picture(tmp_path / "whole.png", seed=0)
    picture(tmp_path / "whole.jpg", seed=0)
    for suffix in (".png", ".jpg"):
        content = (tmp_path / f"whole{suffix}").read_bytes()
        (tmp_path / f"cut{suffix}").write_bytes(content[: len(content) // 2])
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.png").write_bytes(b"")
    Image.fromarray(np.zeros((8, 8), np.uint16)).save(tmp_path / "deep.png")
    (tmp_path / "deep_rgb.png").write_bytes(png(8, 8, 16, 2, bytes(8 * 49)))  # Pillow would give its upper 8 bits
    (tmp_path / "long.png").write_bytes(png(80_000_000, 1, 8, 2, bytes(9)))  # Pillow has no memory for such rows
    for name in ("cut.png", "cut.jpg", "text.png", "empty.png", "deep.png", "deep_rgb.png", "long.png", "absent.png"):
        with pytest.raises(DataError, match=name) as caught:
            read_rgb(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_sizes(tmp_path: Path):
    picture(tmp_path / "clip" / "0.png", seed=0, size=(512, 512))
    picture(tmp_path / "clip" / "1.png", seed=0, size=(200, 300))
    data = Dataset("mine", tmp_path)
    assert data.frame(FrameRef("mine", "clip", "0"), 256).shape == (256, 256, 3)
    with refused(DataError, "frame-size", "1.png", "300x200", "256x256"):
        data.frame(FrameRef("mine", "clip", "1"), 256)


def _pairs(*refs: FrameRef) -> PairList:
    return PairList("list", 1, tuple(Pair(str(i), ref, ref, ref, None, "a", "a") for i, ref in enumerate(refs)))


def test_all_missing_frames_are_named_at_once(tmp_path: Path):
    data = Dataset("mine", tmp_path)
    frames(tmp_path / "clip", 1)
    refs = [FrameRef("mine", "clip", f"{number:07d}") for number in range(31)]
    with refused(DataError, "missing-frames", "30 of 31 frames ") as caught:
        check_frames(_pairs(*refs), {"mine": data}, 256)
    message = str(caught.value)
    assert message.count("mine/clip/") == 20 and message.endswith("and 10 more")


def test_all_unusable_frames_are_named_at_once(tmp_path: Path):
    frames(tmp_path / "clip", 2)
    picture(tmp_path / "clip" / "wide.png", seed=0, size=(200, 300))
    (tmp_path / "clip" / "text.png").write_text("no picture")
    refs = [FrameRef("mine", "clip", name) for name in ("0000000", "0000001", "wide", "text")]
    with refused(DataError, "unusable-frames", "2 of 4", "wide.png", "300x200", "text.png"):
        check_frames(_pairs(*refs), {"mine": Dataset("mine", tmp_path)}, 256)
    assert check_frames(_pairs(*refs[:2]), {"mine": Dataset("mine", tmp_path)}, 256) == Checked(256, 256, [])
    (notice,) = check_frames(_pairs(*refs[:2]), {"mine": Dataset("mine", tmp_path)}, 384).notices
    assert notice.code == "resized-frames"
    assert notice.startswith("2 of 2 frames ") and " 384x384 (2 of 256x256)" in notice


def test_frames_as_stored_have_one_size(tmp_path: Path):
    for number in range(3):
        picture(tmp_path / "clip" / f"{number}.png", seed=number, size=(20, 30))
    picture(tmp_path / "clip" / "3.png", seed=3, size=(20, 20))
    refs = [FrameRef("mine", "clip", str(number)) for number in range(4)]
    data = {"mine": Dataset("mine", tmp_path)}
    assert check_frames(_pairs(*refs[:3]), data, None) == Checked(20, 30, [])
    with refused(DataError, "frame-sizes-differ", "3 of 30", "mine/clip/0", "1 of 20", "mine/clip/3"):
        check_frames(_pairs(*refs), data, None)


def test_clips_of_other_sizes_are_said(tmp_path: Path):
    for number in range(3):
        picture(tmp_path / "clip" / f"{number}.png", seed=number, size=(20, 30))
    picture(tmp_path / "other" / "0.png", seed=3, size=(20, 20))
    data = {"mine": Dataset("mine", tmp_path)}
    refs = [FrameRef("mine", "clip", str(number)) for number in range(3)]
    own = [Pair(str(i), ref, ref, ref, None, "a", "a", clip="clip") for i, ref in enumerate(refs)]
    photo = replace(own[0], source=FrameRef("mine", "other", "0"))  # sources may have any size
    assert check_frames(PairList("list", 1, (photo, *own[1:])), data, None, by_clip=True) == Checked(20, 30, [])
    ref = FrameRef("mine", "other", "0")
    found = check_frames(
        PairList("list", 1, (*own, Pair("3", ref, ref, ref, None, "b", "b", clip="other"))), data, None, by_clip=True
    )
    (notice,) = found.notices
    assert "3 of 30x20" in notice and "1 of 20x20" in notice
    assert found.others == ((20, 20),) and found.size.startswith("30x20 ")


@pytest.mark.parametrize("kind", [Dataset, VideoFolder])
def test_links_out_of_the_root_are_refused(tmp_path: Path, kind: type[Dataset]):
    root = tmp_path / "root"
    picture(tmp_path / "secret" / "0.png", seed=0)
    root.mkdir()
    (root / "clip").symlink_to(tmp_path / "secret")
    (root / "link.png").symlink_to(tmp_path / "secret" / "0.png")
    ref = FrameRef("mine", "clip", "0") if kind is Dataset else FrameRef("mine", "link.png", "0")
    for ask in (lambda: kind("mine", root).frame(ref), lambda: kind("mine", root).missing([ref])):
        with refused(DataError, "link-leads-out"):
            ask()


def test_the_root_itself_may_be_a_link(tmp_path: Path):
    vox(tmp_path / "real", n=1)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert open_dataset("vox1", tmp_path / "link").frame(FrameRef("vox1", VOX_CLIP, "0000000")).shape == (64, 64, 3)


def test_links_in_a_circle(tmp_path: Path):
    (tmp_path / "circle").symlink_to("circle")
    with refused(DataError, "missing-folder"):
        open_dataset("mine", tmp_path / "circle")
    frames(tmp_path / "mine" / "a", 1)
    (tmp_path / "mine" / "a" / "0000001.png").symlink_to("0000001.png")
    dataset = Dataset("mine", tmp_path / "mine")
    assert dataset.missing([FrameRef("mine", "a", "0000001")])


def test_names_that_only_look_like_numbers(tmp_path: Path):
    for name in ("1²3", "²", "٣", "10", "9"):  # a superscript is a digit to Python, and no number
        picture(tmp_path / "a" / f"{name}.png", 0)
    assert Dataset("mine", tmp_path).frames("a") == ["1²3", "٣", "9", "10", "²"]
    (tmp_path / "v.mp4").write_bytes(b"")
    assert VideoFolder("mine", tmp_path).missing([ref := FrameRef("mine", "a.png", "9" * 240)]) == [ref]


def test_names_that_are_no_text(tmp_path: Path):
    """A file name may be any bytes; the protocol's rule still comes to an answer of one line."""
    frames(tmp_path / "test" / os.fsdecode(b"id10001#\xff#1#2.mp4"), 2)
    with refused(DataError, "bad-name"):
        rendezvous_pairs(open_dataset("vox1", tmp_path), catalogue.get("vox1-sameid"))
