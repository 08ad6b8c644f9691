"""Where relative motion starts: the driving frame whose landmarks are nearest to the source's."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from support.command_line import call_unwrapped
from support.refused import Ended

from bench.detectors.base import NO_FACE, Detection, Detector
from bench.run.anchors import NoFace, nearest
from protocols.clips import Clip, ClipList
from protocols.pairs import WHOLE_CLIP, FrameRef


class CornerDetector(Detector):
    """Landmarks at three places that the top left pixel tells; no face where it is black."""

    kind, name, proxy, shape = "landmarks", "corner", True, (3, 2)
    signature = "corner"

    def detect(self, frames: np.ndarray) -> list[Detection]:
        return [self._one(*frame[0, 0].astype(float)) for frame in frames]

    def _one(self, place: float, size: float, slant: float) -> Detection:
        if not size:
            return Detection(None, NO_FACE)
        return Detection(place + size * np.array([[0, 0], [1, 0], [slant, 1]]))


def test_the_best_anchor_has_the_nearest_shape_whatever_its_place_and_size():
    frames = [(0, frame(10, 5, 9)), (1, frame(0, 0, 0)), (2, frame(90, 80, 3)), (3, frame(10, 5, 5))]
    assert nearest(frame(10, 5, 2), frames, CornerDetector()) == 2
    with pytest.raises(NoFace, match="photograph"):
        nearest(frame(0, 0, 0), frames, CornerDetector())
    with pytest.raises(NoFace, match="driving"):
        nearest(frame(10, 5, 2), frames[1:2], CornerDetector())
    assert nearest(frame(10, 5, 2), [(4, frame(1, 9, 3)), (5, frame(1, 9, 3))], CornerDetector()) == 4


def frame(place: int, size: int, slant: int) -> np.ndarray:
    return np.full((64, 64, 3), (place, size, slant), np.uint8)


BLIND, FACE = (0, 0, 0), (10, 5, 2)
CLIPS = {
    "anna": [FACE, (20, 7, 9), (30, 9, 2)],
    "ben": [(10, 5, 200), (20, 7, 100), (30, 9, 30), (40, 9, 90)],
    "cleo": [FACE, BLIND, BLIND],
    "dora": [BLIND, FACE, FACE],
    "still": [(0, 9, 29)],  # a shape that is nearest to the third frame of ben
}
SOURCES = {"anna": "anna", "ben": "still", "cleo": "still", "dora": "dora"}
NEAREST = {"anna": "000", "ben": "002", "cleo": "000", "dora": "000"}
MODEL = """
from baselines.predictor import Predictor

class GiveAnchor(Predictor):
    name, motion_modes = "give-anchor", ("absolute", "relative")

    def __init__(self, *, device, weights=None):
        pass

    def predict(self, batch, mode):
        return batch.anchor if mode == "relative" else batch.driving

    def describe(self):
        return {"sample_weights": False}
"""


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Call a run over whole clips of a model that gives back what its motion starts from."""
    for clip, colors in CLIPS.items():
        (tmp_path / "data" / clip).mkdir(parents=True)
        for number, color in enumerate(colors):
            Image.fromarray(frame(*color)).save(tmp_path / "data" / clip / f"{number:03d}.png")
    (tmp_path / "model.py").write_text(MODEL)
    clips = []
    for driving, source in SOURCES.items():
        whole = FrameRef("mine", driving, WHOLE_CLIP)
        clips.append(Clip(driving, FrameRef("mine", source, WHOLE_CLIP), whole, whole, None, source, driving))
    ClipList("list", 1, tuple(clips)).write(tmp_path / "clips.csv")
    monkeypatch.setenv("TALKING_HEAD_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("bench.detectors.Dlib68", CornerDetector)
    monkeypatch.chdir(tmp_path)

    def call_run(*arguments: object) -> Ended:
        asked = ["--models", "model.py:GiveAnchor", "--protocol", "own-reconstruction", "--data", "mine=data"]
        asked += ["--metrics", "l1", "--crop", "none", "--device", "cpu", "--no-bounds", "--pairs", "clips.csv"]
        return call_unwrapped(monkeypatch, capsys, "run", *asked, "--name", "made", *arguments)

    return call_run


def test_each_clip_starts_from_the_frame_nearest_to_its_source(run, tmp_path):
    code, text = run("--mode", "relative", "--anchor", "best")
    assert code == 0 and "1 of 4 clips" in text
    made = tmp_path / "runs" / "made"
    manifest = json.loads((made / "manifest.json").read_text())
    (kept,) = [notice for notice in manifest["notices"] if "(dora)" in notice]
    assert "photograph" in kept and kept in text and "(cleo)" not in text  # cleo's first frame has a face
    frames = pd.read_parquet(made / "frames.parquet").set_index("clip")["anchor"]
    assert {clip: set(frames[clip]) for clip in SOURCES} == {
        clip: {f"mine/{clip}/{name}"} for clip, name in NEAREST.items()
    }
    samples = pd.read_parquet(made / "samples.parquet").set_index("pair")
    assert samples.loc["ben", "anchor"] == "mine/ben/002"
    ben = np.array(CLIPS["ben"], float) / 255
    assert samples.loc["ben", "l1"] == pytest.approx(np.abs(ben - ben[2]).mean(), abs=1e-6)  # the model was shown it
    assert manifest["pairs"]["provenance"]["best_anchors"] == {
        "detector": "corner",
        "frames": {c: f"mine/{c}/{name}" for c, name in NEAREST.items()},
    }
    assert run("--mode", "relative", "--anchor", "best")[0] == 0  # complete already

    for anchor in ("first", "best"):
        shutil.rmtree(made)
        assert run("--mode", "relative", "--anchor", anchor)[0] == 0
        refused = run("--mode", "relative", "--anchor", {"first": "best", "best": "first"}[anchor])
        assert refused[0] == 2 and refused.error == "other-run" and "--anchor" in refused[1]


def test_only_the_frames_that_a_clip_asks_for_are_looked_at(run, tmp_path):
    listed = ClipList.read(tmp_path / "clips.csv")
    (ben,) = (clip for clip in listed.clips if clip.id == "ben")
    (tmp_path / "clips.csv").unlink()
    part = ClipList("part", 1, (replace(ben, end=0.08),))  # two of four frames at 25 a second
    part.write(tmp_path / "clips.csv")
    assert run("--mode", "relative", "--anchor", "best")[0] == 0
    samples = pd.read_parquet(tmp_path / "runs" / "made" / "samples.parquet")
    assert list(samples["anchor"]) == ["mine/ben/001"]


def test_a_run_without_anchors_refuses_the_choice(run, tmp_path):
    for wrong in (["--anchor", "best"], ["--mode", "absolute", "--anchor", "best"]):
        refused = run(*wrong)
        assert refused[0] == 2 and refused.error == "unused-option"
    assert run("--anchor", "last").error == "unknown-choice"
    assert not (tmp_path / "runs").exists()
