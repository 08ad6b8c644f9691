"""Figures of chosen frames of clips: which, in which order, from where, and what is refused."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support.figures import drawn, holds
from typer.testing import CliRunner

from bench.cli.main import app
from bench.figure import frames
from bench.figure.frames import FrameSelection, Shot
from bench.runtime.errors import UserError

MIX = """
from baselines.predictor import Predictor
class Mix(Predictor):
    def __init__(self, weights=None, device=None, **options):
        self.name = "mix"
    def predict(self, batch, mode):
        return (batch.source + batch.driving) / 2
"""


@pytest.fixture(scope="module")
def clips(tmp_path_factory, sample_set) -> Path:
    """A run of one clip, all of whose frames were saved."""
    root = tmp_path_factory.mktemp("clips")
    (root / "mix.py").write_text(MIX)
    words = ["run", "--models", f"mix={root}/mix.py:Mix", "--protocol", "vox1-reconstruction", "--data", "sample"]
    words += ["--limit", "1", "--metrics", "l1", "--no-bounds", "--no-media", "--save-frames", "--device", "cpu"]
    words += ["--workers", "0", "--out", str(root), "--name", "r"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["bench", *words])
        done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.exception
    return root / "r"


def table(run: Path) -> pd.DataFrame:
    return pd.read_parquet(run / "frames.parquet")


def test_frames_are_columns_over_time_kept_or_computed_again(clips: Path, bench, tmp_path: Path) -> None:
    own = table(clips)
    last, clip = len(own) - 1, own["clip"][0]
    asked = ["--rows", "time", "--columns", "prediction,driving", "--frames", "3"]
    asked += ["--width", "2.8", "--out"]
    assert bench("figure", clips, *asked, tmp_path / "a.png")[0] == 0
    figure = drawn(tmp_path / "a.png")
    for number in (0, round(last / 2), last):
        frame = np.asarray(Image.open(clips / "frames" / "mix" / f"{own['pair'][number]}.png"))
        assert holds(figure, frame)
    assert figure.shape[1] > figure.shape[0]  # three columns, two rows
    caption = (tmp_path / "a.png.txt").read_text("utf-8")
    assert f"frames 0, {round(last / 2)}, {last} of {len(own)}" in caption and f"{own['time'][last]:.2f} s" in caption
    assert f"{last} of {clip}" in Image.open(tmp_path / "a.png").info["Title"]
    assert "frames of mix" not in caption  # none was computed
    assert "l1 of the whole clip: mix" in caption and "of 1 clip by l1" in caption

    shutil.copytree(clips, tmp_path / "r")
    shutil.rmtree(tmp_path / "r" / "frames")
    assert bench("figure", tmp_path / "r", *asked, tmp_path / "b.png")[0] == 0
    assert np.array_equal(drawn(tmp_path / "b.png"), figure)
    assert "frames of mix" in (tmp_path / "b.png.txt").read_text("utf-8")


def test_a_middle_frame_must_be_the_one_that_was_measured(clips: Path, bench, tmp_path: Path) -> None:
    shutil.copytree(clips, tmp_path / "r")
    own = table(clips)
    middle = len(own) // 2
    files = [tmp_path / "r" / "frames" / "mix" / f"{own['pair'][number]}.png" for number in (middle, len(own) - 1)]
    shutil.copyfile(files[1], files[0])
    refused = bench("figure", tmp_path / "r", "--frame", middle, "--out", tmp_path / "a.png")
    assert (refused[0], refused.error) == (2, "other-run") and files[0].name in refused[1]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--frame", "0,999"], "unknown-frame"),
        (["--frames", "999"], "unknown-frame"),
        (["--frame", "1,-2"], "bad-value"),
        (["--frame", ""], "bad-value"),
        (["--frame", "1", "--frames", "2"], "conflicting-options"),
        (["--rows", "time"], "missing-option"),
        (["--curve", "scale", "--frames", "2"], "unused-option"),
    ],
)
def test_mistakes_are_refused(clips: Path, bench, tmp_path: Path, arguments: list[str], code: str) -> None:
    refused = bench("figure", clips, *arguments, "--out", tmp_path / "g.png")
    assert (refused[0], refused.error) == (2, code), refused
    assert not (tmp_path / "g.png").exists()


def test_pairs_have_no_frames(run: Path, bench, tmp_path: Path) -> None:
    refused = bench("figure", run, "--models", "fomm", "--frames", "2", "--out", tmp_path / "g.png")
    assert (refused[0], refused.error) == (2, "unused-option")


def rows(count: int, failed: int | None = None) -> pd.DataFrame:
    ids = [f"c-{k:03d}" for k in range(count)]
    status = ["failed" if k == failed else "ok" for k in range(count)]
    return pd.DataFrame({"pair": ids, "clip": "c", "time": np.arange(count) / 25, "status": status, "model": "m"})


@given(st.integers(1, 200), st.data())
def test_frames_are_spread_evenly(count: int, data: st.DataObject) -> None:
    asked = data.draw(st.integers(1, count))
    found = [shot.number for shot in frames.chosen(rows(count), ["c"], ["m"], FrameSelection(asked))]
    assert len(set(found)) == asked and found == sorted(found)
    if asked == 1:
        assert found == [count // 2]
    else:
        steps = np.diff(found)
        assert found[0] == 0 and found[-1] == count - 1 and steps.max() - steps.min() <= 1


def test_a_frame_that_a_model_did_not_make_is_refused() -> None:
    assert frames.chosen(rows(5, failed=3), ["c"], ["m"], FrameSelection(numbers=(4, 2))) == [
        Shot("c-004", "c", 4, 5, 0.16),
        Shot("c-002", "c", 2, 5, 0.08),
    ]
    with pytest.raises(UserError) as error:
        frames.chosen(rows(5, failed=3), ["c"], ["m"], FrameSelection(numbers=(3,)))
    assert error.value.code == "failed-pair" and re.search(r"\b3\b.*\bm\b", str(error.value))
