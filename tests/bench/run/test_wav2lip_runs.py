"""Wav2Lip end to end through the command line: on a made-up person, and on the sound set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from skimage import data
from support import finished_videos as made
from support.command_line import call_unwrapped

from baselines.synthetic_weights import make_voice
from bench.rundir.directory import RunDirectory
from bench.runtime.config import cache_folder

Run = Callable[..., tuple[int, str]]
SECONDS, RATE, SIDE = 11, 5, 128  # of which a tenth, and a second at least, is the test
MODEL = "w=wav2lip?weights=untrained"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)

    def call(*options: str) -> tuple[int, str]:
        return call_unwrapped(monkeypatch, capsys, "run", "--device", "cpu", "--workers", "0", *options)

    return call


def person(file: Path) -> None:
    """A video of a face that moves to and fro, with a voice."""
    face = cv2.resize(data.astronaut()[:220, 90:310], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    count = SECONDS * RATE
    pictures = [np.ascontiguousarray(np.roll(face, abs(k % 8 - 4), 1)) for k in range(count)]
    made.write(file, pictures, RATE, np.tile(make_voice(0), 7)[None, : 16000 * SECONDS])


def test_a_table_with_bounds_on_a_video_of_ones_own(run: Run, tmp_path: Path):
    person(tmp_path / "videos" / "anna.mkv")
    asked = ("--protocol", "own-talking", "--data", "mine=videos", "--metrics", "l1", "--name", "r", "--no-media")
    code, told = run(*asked, "--models", MODEL)
    assert code == 0, told
    rows = pd.read_parquet("runs/r/samples.parquet").set_index("model")
    assert list(rows.index) == ["w", "copy-template", "copy-target", "wrong-sound"]
    assert (rows["status"] == "ok").all() and (rows["frames_failed"] == 0).all()
    assert rows.loc["copy-target", "l1"] == 0 < rows.loc["wrong-sound", "l1"] < rows.loc["copy-template", "l1"]
    assert rows.loc["w", "l1"] > rows.loc["copy-template", "l1"]  # random weights
    entry = RunDirectory(Path("runs/r")).manifest().model("w")
    assert (entry.driven_by, entry.untrained, entry.parameters) == ("sound", True, 36_298_035)
    assert str(entry.conventions["finder"]).startswith("blazeface, ")


def test_what_does_not_go_together_is_one_line(run: Run, tmp_path: Path):
    person(tmp_path / "videos" / "anna.mkv")
    asked = ("--data", "mine=videos", "--metrics", "l1")
    ended = code, told = run(*asked, "--protocol", "own-reconstruction", "--models", MODEL)
    assert code == 2 and ended.error == "wrong-protocol" and "w is " in told and "own-reconstruction" in told
    ended = code, told = run(
        *asked, "--protocol", "own-talking", "--reading", "own-template", "--models", "copy-template"
    )
    assert code == 2 and ended.error == "wrong-protocol"


@pytest.mark.slow
def test_on_the_sound_set(run: Run):
    assert cache_folder().is_dir()
    asked = ("--protocol", "hdtf-adapt15", "--data", "sample", "--models", MODEL, "--metrics", "l1,lmd", "--name", "r")
    code, told = run(*asked)
    assert code == 0, told
    rows = pd.read_parquet("runs/r/samples.parquet").set_index("model")
    assert rows.loc["copy-target", "lmd"] == 0 < rows.loc["wrong-sound", "lmd"]
    assert rows.loc["wrong-sound", "l1"] < rows.loc["copy-template", "l1"]
    assert (rows.loc[["w", "copy-template", "copy-target", "wrong-sound"], "frames_failed"] == 0).all()
