"""Videos as clips, and decoded frames that are kept."""

from __future__ import annotations

import os
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from baselines.predictor import ModelError
from baselines.training import clips as clips_module
from baselines.training.clips import read
from baselines.training.data import TrainingFrames


def film(file: Path, height: int = 96, width: int = 160, count: int = 5) -> None:
    with av.open(str(file), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        for i in range(count):
            picture = np.full((height, width, 3), 40 * i, np.uint8)
            picture[:, :20] = 255  # is cut off
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def test_videos_are_cut_to_their_square_and_resized(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    film(tmp_path / "a.mp4")
    film(tmp_path / "b.mp4", count=1)  # too short
    (tmp_path / "notes.txt").write_text("no clip")
    found = read(tmp_path)
    assert "notes.txt" in caplog.text and "a.mp4" not in caplog.text
    assert found.pixels.shape == (5, 3, 256, 256) and found.ranges == [(0, 5)]
    for i, frame in enumerate(found.pixels):
        assert np.abs(frame.astype(int) - 40 * i).max() <= 4


def test_decoded_frames_are_read_from_the_cache(clips: Path, tmp_path: Path, monkeypatch) -> None:
    direct, first = read(clips), read(clips, cache=tmp_path)
    monkeypatch.setattr(clips_module, "_decode", lambda *_: pytest.fail("decoded again"))
    second = read(clips, cache=tmp_path)
    for found in (first, second):
        assert np.array_equal(found.pixels, direct.pixels)
        assert (found.names, found.ranges, found.sha256) == (direct.names, direct.ranges, direct.sha256)
    assert isinstance(second.pixels, np.memmap)


def test_the_cache_notices_a_changed_frame(tmp_path: Path) -> None:
    folder = tmp_path / "clips" / "a"
    folder.mkdir(parents=True)
    for i in range(2):
        Image.new("RGB", (8, 8), (i, 0, 0)).save(folder / f"{i}.png")
    before = read(tmp_path / "clips", cache=tmp_path / "cache")
    Image.new("RGB", (8, 8), (200, 0, 0)).save(folder / "1.png")
    os.utime(folder / "1.png", ns=(1, 1))
    after = read(tmp_path / "clips", cache=tmp_path / "cache")
    assert after.pixels.max() == 200 and after.sha256 != before.sha256


def test_a_broken_frame_is_named(clips: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for i in range(2):
        whole = (clips / "a" / f"{i:07d}.png").read_bytes()
        (tmp_path / "a" / f"{i}.png").write_bytes(whole[: len(whole) // (1 + i)])
    with pytest.raises(ModelError, match="1.png"):
        read(tmp_path)


def test_a_broken_video_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(ModelError, match="a.mp4"):
        read(tmp_path)


def test_identities_are_drawn_alike_often(tmp_path: Path) -> None:
    for name, count in (("id1#a#1", 2), ("id1#b", 6), ("id2#a", 2)):
        (tmp_path / name).mkdir()
        for i in range(count):
            Image.new("RGB", (8, 8)).save(tmp_path / name / f"{i}.png")
    assert TrainingFrames(tmp_path, by_identity=True).weights.tolist() == [0.5, 0.5, 1.0]
