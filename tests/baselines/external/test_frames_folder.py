"""Frames from a folder."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from support.refused import refused
from support.small_networks import batch, part

from baselines import registry
from baselines.external.frames_folder import file_name
from baselines.predictor import ModelError
from protocols.errors import DataError

CPU = torch.device("cpu")


@pytest.fixture
def folder(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    Image.fromarray(frames[0]).save(tmp_path / "p0.png")
    Image.fromarray(frames[1]).save(tmp_path / "p2.png")
    return tmp_path, torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255


def load(folder):
    return registry.load(f"frames:{folder}", weights=None, device=CPU)


def test_frames_are_read_and_a_missing_one_is_nan(folder):
    path, frames = folder
    predictor, pairs = load(path), batch(3, 16)
    read = predictor.predict(pairs, "relative")
    assert torch.equal(read[[0, 2]], frames) and read[1].isnan().all()
    assert torch.equal(predictor.predict(part(pairs, 2), "absolute")[0], frames[1])
    assert predictor.describe()["frames"] == 2


def test_jpeg_and_gray(folder):
    path, frames = folder
    assert "jpeg_frames" not in load(path).describe()
    (path / "p0.png").unlink()
    Image.new("L", (16, 16), 51).save(path / "p0.jpg", quality=100)
    assert load(path).describe()["jpeg_frames"] == 1
    read = load(path).predict(batch(1, 16), "absolute")
    torch.testing.assert_close(read, torch.full((1, 3, 16, 16), 0.2), atol=0.01, rtol=0)


def test_mapping(folder):
    path, frames = folder
    (path / "pairs.csv").write_text("pair,file\np0,p2.png\np1,gone.png\n")
    read = load(path).predict(batch(3, 16), "absolute")
    assert torch.equal(read[0], frames[1]) and read[1:].isnan().all()
    (path / "pairs.csv").write_text("id,file\np0,p2.png\n")
    with refused(ModelError, "missing-column"):
        load(path)
    (path / "pairs.csv").write_text("pair,file\np0,p2.png\np0,p0.png\n")
    with refused(ModelError, "duplicate-pair", "p0"):
        load(path)
    (path / "pairs.csv").write_text("pair,file\np0\np2,p2.png\n")  # a row without a file
    read = load(path).predict(batch(3, 16), "absolute")
    assert read[0].isnan().all() and torch.equal(read[2], frames[1])
    (path / "pairs.csv").write_bytes(b"\xff\xfe\x00")
    with refused(ModelError, "unreadable-file", "pairs.csv"):
        load(path)


def test_a_missing_file_is_named(folder):
    path, _ = folder
    assert load(path).why_missing("p1").split()[0] == f"{path}/p1.png"
    (path / "pairs.csv").write_text("pair,file\np0,p2.png\np1,gone.png\n")
    named = load(path).why_missing("p1")
    assert named.split(",")[0] == f"{path}/gone.png" and "pairs.csv" in named
    assert load(path).why_missing("p7").split()[0] == f"{path}/pairs.csv"


def test_frames_of_other_pairs_are_noticed_before_the_run(folder):
    predictor = load(folder[0])
    predictor.expect(["p1", "p2"])
    with refused(ModelError, "missing-frames", "x1.png"):
        predictor.expect(["x1", "x2"])


def test_unusable_folders(tmp_path):
    with refused(ModelError, "missing-folder"):
        load(tmp_path / "nowhere")
    (tmp_path / "p0.txt").touch()
    with refused(ModelError, "missing-frames"):
        load(tmp_path)
    (tmp_path / "pairs.csv").write_text("pair,file\np0,gone.png\n")
    with refused(ModelError, "missing-frames"):
        load(tmp_path)


def test_unusable_images(folder):
    path, _ = folder
    with refused(ModelError, "frame-size", "p0.png", "16x16", "32x32"):
        load(path).predict(batch(1, 32), "absolute")
    (path / "p0.png").write_bytes((path / "p2.png").read_bytes()[:200])
    with refused(DataError, "unreadable-image", "p0.png"):
        load(path).predict(batch(1, 16), "absolute")


def test_names_that_are_no_file_names():
    assert file_name("0001#a.mp4-2") == "0001#a.mp4-2"
    for pair in ("", ".", "..", "a/b", "..\\b", "a\0"):
        with refused(ModelError, "bad-name"):
            file_name(pair)
