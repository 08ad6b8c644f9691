from __future__ import annotations

import random
import struct
from pathlib import Path

import av
import numpy as np
import pytest
from support.refused import refused

from protocols.custom_dataset import VideoFolder, open_dataset
from protocols.errors import DataError
from protocols.pairs import FrameRef
from protocols.video import Video

N, HEIGHT, WIDTH = 40, 48, 64


def gray(number: int) -> int:
    return 20 + 5 * number


def write_video(file: Path, codec: str = "libx264", height: int = HEIGHT, width: int = WIDTH) -> Path:
    """Frame k is gray of 20 + 5 k, with a white block at its upper left; key frames every 12, B frames between."""
    with av.open(str(file), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        stream.codec_context.gop_size = 12
        stream.codec_context.max_b_frames = 3 if codec == "libx264" else 0
        stream.options = {"crf": "4"} if codec == "libx264" else {}
        for number in range(N):
            image = np.full((height, width, 3), gray(number), np.uint8)
            image[:8, :8] = 255
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return file


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    return write_video(tmp_path_factory.mktemp("videos") / "anna.mp4")


def test_any_order_gives_the_same_frames(video: Path):
    in_order = Video(video)
    assert len(in_order) == N
    expected = [in_order.frame(number) for number in range(N)]
    assert [round(float(frame[20:, 20:].mean())) for frame in expected] == pytest.approx(
        [gray(k) for k in range(N)], abs=1
    )
    any_order = Video(video)
    numbers = [number for number in range(N) for _ in range(3)]
    random.Random(0).shuffle(numbers)
    for number in numbers:
        np.testing.assert_array_equal(any_order.frame(number), expected[number])


def test_colors_survive(tmp_path: Path):
    colors = np.array([[200, 30, 30], [30, 200, 30], [30, 30, 200], [128, 128, 128]], np.uint8)
    with av.open(str(tmp_path / "colors.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt, stream.options = 64, 128, "yuv420p", {"crf": "1"}
        image = np.repeat(np.repeat(colors[None], 64, 0), 32, 1)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    decoded = Video(tmp_path / "colors.mp4").frame(0)
    np.testing.assert_allclose(decoded[32, 16::32].astype(int), colors.astype(int), atol=4)


def test_odd_and_other_formats_go_through_ffmpeg(tmp_path: Path):
    file = write_video(tmp_path / "a.avi", codec="ffv1")
    assert Video(file).frame(7)[20:, 20:].mean() == pytest.approx(gray(7), abs=1)


def test_turned_videos_stand_upright(video: Path, tmp_path: Path):
    """A phone's portrait video: the display matrix turns it a quarter clockwise."""
    content = bytearray(video.read_bytes())
    matrix = content.index(b"tkhd") + 4 + 40  # after version, flags, times, track, duration, layer and volume
    fixed = 1 << 16
    content[matrix : matrix + 36] = struct.pack(">9i", 0, fixed, 0, -fixed, 0, 0, 0, 0, 1 << 30)
    (tmp_path / "turned.mp4").write_bytes(content)
    upright = Video(tmp_path / "turned.mp4").frame(3)
    np.testing.assert_array_equal(upright, np.rot90(Video(video).frame(3), -1))
    assert upright[:6, -6:].min() > 240  # the block is at the upper right now


def test_bad_videos(video: Path, tmp_path: Path):
    with refused(DataError, "unknown-frame", "40"):
        Video(video).frame(N)
    (tmp_path / "text.mp4").write_text("no video")
    for name, code in {"text.mp4": "unreadable-video", "absent.mp4": "missing-file"}.items():
        with refused(DataError, code, name):
            Video(tmp_path / name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    write_video(tmp_path / "anna.mp4")
    write_video(tmp_path / "sub" / "bert.mov", height=64, width=32)
    from PIL import Image

    Image.new("RGB", (40, 80), (1, 2, 3)).save(tmp_path / "portrait.png")
    (tmp_path / "notes.txt").write_text("ignored")
    return tmp_path


def test_own_folder(folder: Path):
    data = open_dataset("mine", folder)
    assert isinstance(data, VideoFolder)
    assert data.clips("test") == ["anna.mp4", "portrait.png", "sub/bert.mov"]
    assert len(data.frames("anna.mp4")) == N and data.frames("portrait.png") == ["0000000"]
    assert data.frames("absent.mp4") == []
    assert [data.identity(clip) for clip in data.clips()] == ["anna", "portrait", "bert"]
    refs = [FrameRef("mine", clip, frame) for clip in (*data.clips(), "x.mp4") for frame in ("0000000", "0000040", "a")]
    missing = [str(ref) for ref in data.missing(refs)]
    assert [str(ref) for ref in refs if str(ref) not in missing] == [f"mine/{clip}/0000000" for clip in data.clips()]


def test_own_frames_are_cut_to_their_central_square(folder: Path):
    data = open_dataset("mine", folder)
    native = data.frame(FrameRef("mine", "anna.mp4", "0000003"))
    assert native.shape == (HEIGHT, WIDTH, 3)
    square = data.frame(FrameRef("mine", "anna.mp4", "0000003"), HEIGHT)
    np.testing.assert_array_equal(square, native[:, (WIDTH - HEIGHT) // 2 :][:, :HEIGHT])
    assert data.frame(FrameRef("mine", "portrait.png", "0000000"), 256).shape == (256, 256, 3)


def test_identities_file(folder: Path):
    (folder / "identities.csv").write_text("anna.mp4,Anna\nsub/bert.mov, Anna \n")
    data = open_dataset("mine", folder)
    assert [data.identity(clip) for clip in data.clips()] == ["Anna", "portrait", "Anna"]
    (folder / "identities.csv").write_text("anna.mp4\n")
    with refused(DataError, "bad-row", "line 1"):
        open_dataset("mine", folder)


def test_own_folders_of_frames(tmp_path: Path):
    from support.layouts_on_disk import frames

    frames(tmp_path / "anna", 2)
    data = open_dataset("mine", tmp_path)
    assert not isinstance(data, VideoFolder)
    assert data.clips() == ["anna"] and data.frames("anna") == ["0000000", "0000001"]
