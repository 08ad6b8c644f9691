"""AKD, MKR and AED of bodies through the command line: empty with a reason, and measured where the files are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from support.packages import install
from support.refused import Ended

from bench.detectors import openpose

CLIP = "A2DzsgJSwcc#009831#010018.mp4"
BODY = ["akd-body", "mkr-body", "aed-body"]


@pytest.fixture(autouse=True)
def no_weights_of_torch(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


@pytest.fixture
def run(bench, tmp_path):
    """Run copy-source on two frames of 384 pixels of one clip."""
    for number, level in ((0, 40), (3, 60)):
        file = tmp_path / "ted" / "test" / CLIP / f"{number:07d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((384, 384, 3), level, np.uint8)).save(file)
    row = ",".join(f"/ssd/test/{CLIP}/{number:07d}.png" for number in (0, 3))
    (tmp_path / "list.csv").write_text(f"source,driving,frame\n{row}\n")

    def call(name: str, *more: object) -> Ended:
        asked = ["run", "--protocol", "ted-sameid", "--data", f"ted={tmp_path / 'ted'}", "--pairs", "list.csv"]
        asked += ["--models", "copy-source", "--name", name, *map(str, more)]
        return bench(*asked)

    return call


def entries(name: str) -> dict[str, dict]:
    return {m["name"]: m for m in json.loads(Path(f"runs/{name}/manifest.json").read_text())["metrics"]}


def test_without_the_files_columns_are_empty_and_say_why(run):
    code, text = run("x", "--metrics", "l1,akd-body,mkr-body,aed-body")
    assert code == 0, text
    assert "body-landmarks" in text and "pose_model.pth" in text
    assert "EMPTY (akd-body, mkr-body)" in text and "akd-body ↓ – –" in text
    found = entries("x")
    assert all(not found[name]["applies"] for name in BODY) and found["l1"]["applies"]
    assert "pose_model.pth" in found["akd-body"]["empty"] and "body-identity" in found["aed-body"]["empty"]
    page = Path("runs/x/report.html").read_text()
    assert "EMPTY (aed-body)" in page and ">akd-body" in page
    assert not set(BODY) & set(pd.read_parquet("runs/x/samples.parquet").columns)
    code, text = run("x", "--metrics", "l1,akd-body,mkr-body,aed-body", "--as-published", "--name", "p")
    assert code == 0 and "EMPTY (akd-body, mkr-body)" in text


def test_where_they_must_be_used_or_nothing_else_is_asked_for_it_is_an_error(run):
    ended = code, text = run("x", "--metrics", "l1,akd-body,mkr-body,aed-body", "--detectors", "paper")
    assert code == 2 and ended.error == "missing-detector"
    assert all(name in text for name in ("openpose-coco18", "pose_model.pth", "re-identification")), text
    ended = code, text = run("x", "--metrics", "akd-body")
    assert code == 2 and ended.error == "no-metric" and "akd-body" in text and "pose_model.pth" in text


LEVEL = """
from bench.detectors.base import Detection, Detector

class Level(Detector):
    kind, name, proxy, shape, signature = "body-identity", "level", False, (1,), "level;v:1"

    def __init__(self, device, weights):
        pass

    def detect(self, frames):
        return [Detection(frame.mean((0, 1))[:1]) for frame in frames]
"""


def test_with_them_they_are_measured(run, tmp_path, monkeypatch):
    """A person whose place is the frame's grey level, and whose left side is hidden in the source."""
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / openpose.FILE).write_bytes(b"x")

    def joints(maps: int, fields: None) -> np.ndarray:
        found = np.add.outer(np.arange(18.0), [maps, maps])
        found[5:8] = found[5:8] if maps == 60 else np.nan
        return found

    def levels(self: openpose.OpenPose, frames: np.ndarray) -> tuple[list[None], list[int]]:
        return [None] * len(frames), [int(frame[0, 0, 0]) for frame in frames]

    monkeypatch.setattr(openpose.OpenPose, "maps", levels)
    monkeypatch.setattr(openpose, "best_person", joints)
    install(monkeypatch, tmp_path / "installed", "thb_level", LEVEL, {"detector": {"body-identity": "Level"}})
    asked = ("--metrics", "akd-body,mkr-body,aed-body", "--weights", weights)
    code, text = run("x", *asked)
    assert code == 0 and "EMPTY" not in text, text
    samples = pd.read_parquet("runs/x/samples.parquet").set_index("model")
    assert samples.loc["copy-source", BODY].tolist() == [20, pytest.approx(3 / 18), 400]
    assert samples.loc["copy-target", BODY].tolist() == [0, 0, 0]
    signature = entries("x")["akd-body"]["signature"]
    assert "joints:found-in-both" in signature and "openpose-coco18;v:1;weights:" in signature
    assert "re-identification;of:level" in entries("x")["aed-body"]["signature"]
    code, text = run("y", *asked, "--detectors", "paper")
    assert code == 0, text
