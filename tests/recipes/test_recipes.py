"""The recipes of docs/recipes, end to end: a run calls each, and each calls a stand-in for its official program."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from support import finished_videos as made
from support import gray_clips, stand_ins, talking_clips
from support.talking_clips import FIRST, LAST

from baselines.external.process import TIMEOUT

RECIPES = Path(__file__).parents[2] / "docs" / "recipes"
HEARD = sorted({*stand_ins.SCRIPTS} - {"x_portrait"})
ASKED = LAST - FIRST
EXACT = {"echomimic": 24, "aniportrait": 30}  # rates of those that do not write 25


@pytest.fixture
def root(tmp_path: Path) -> Path:
    talking_clips.videos(tmp_path / "videos", ["anna"])
    return tmp_path


def spec(name: str, root: Path) -> str:
    repo = stand_ins.install(name, root / "official code")
    arguments = [
        sys.executable,
        str(RECIPES / f"{name}.py"),
        "--repo",
        str(repo),
        "--python",
        shlex.quote(sys.executable),
    ]
    return f"{name}=cmd:{shlex.join(arguments)} {{clip}} {{out}}"


def rows(name: str, root: Path) -> pd.DataFrame:
    run, _ = talking_clips.start(root, [spec(name, root)], talking_clips.clips(["anna"]), bounds=False)
    return pd.read_parquet(run / "frames.parquet").sort_values("time")


@pytest.mark.parametrize("name", HEARD)
def test_a_run_measures_what_the_program_writes(name: str, root: Path) -> None:
    found = rows(name, root)
    rate = EXACT.get(name, 25)
    there = [k / 25 < int(ASKED / 25 * rate) / rate for k in range(ASKED)]
    assert found["status"].to_list() == ["ok" if one else "failed" for one in there]
    files = sorted((root / "runs" / "r" / "frames" / name).glob("anna-*.png"))
    levels = [int(np.asarray(Image.open(file)).mean()) for file in files]
    shown = [int(k * rate / 25 + 1e-6) for k in range(len(levels))]
    assert len(files) == sum(there) and np.abs(np.array(levels) - 40 - 4 * np.array(shown)).max() <= 2


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        pytest.param(name, wrong, marks=() if name in ("sadtalker", "echomimic") else pytest.mark.slow)
        for name in HEARD
        for wrong in stand_ins.FAILURES
        if (name, wrong) != ("latentsync", "short")  # it may be short by more frames than there are here
    ],
)
def test_what_the_program_does_wrong_is_the_reason(
    name: str, wrong: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(stand_ins.VARIABLE, wrong)
    found = rows(name, root)
    reason = {
        "crash": "ended with code 1: CUDA out of memory",
        "no-file": "not one|cannot be read: .*No such file",
        "short": r"its video has \d+ frames, not \d+",
        "long": r"its video has \d+ frames, not \d+",
        "rate": "frames a second, not",
        "size": r"its frames are \d+x\d+, not \d+x\d+",
    }[wrong]
    assert (found["status"] == "failed").all() and len(found) == ASKED
    assert all(re.search(reason, error) for error in found["error"]), found["error"].iloc[0]


def test_a_program_that_does_not_end_is_ended(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(stand_ins.VARIABLE, "wait")
    monkeypatch.setenv(TIMEOUT, "4")
    found = rows("hallo", root)
    assert all(" 4 s " in error and TIMEOUT in error for error in found["error"])


def test_an_environment_that_is_not_there_is_the_reason(root: Path) -> None:
    command = spec("hallo", root).replace(f"--python {shlex.quote(shlex.quote(sys.executable))}", "--python /no/python")
    assert "/no/python" in command
    run, _ = talking_clips.start(root, [command], talking_clips.clips(["anna"]), bounds=False)
    found = pd.read_parquet(run / "frames.parquet")
    assert all("/no/python in " in error for error in found["error"])


def x_portrait(root: Path, *more: str) -> subprocess.CompletedProcess[str]:
    repo = stand_ins.install("x_portrait", root / "official")
    arguments = [
        "--repo",
        repo,
        "--python",
        shlex.quote(sys.executable),
        "--driving",
        root / "videos",
        *more,
        root / "made",
    ]
    command = [sys.executable, RECIPES / "x_portrait.py", *arguments]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True)


def test_a_folder_of_driving_videos_becomes_one_of_results_with_reasons(tmp_path: Path) -> None:
    for name in ("anna", "broken"):
        made.write(tmp_path / "videos" / f"{name}.mkv", gray_clips.frames(12, size=(48, 48)))
    done = x_portrait(tmp_path)
    assert done.returncode == 1, done.stderr
    assert [file.name for file in sorted((tmp_path / "made").iterdir())] == ["anna.mp4", "failed.csv"]
    listed = talking_clips.clips(["anna", "broken"], driven=False)
    run, failed = talking_clips.start(tmp_path, [f"x=videos:{tmp_path}/made"], listed, bounds=False)
    found = pd.read_parquet(run / "samples.parquet").set_index("pair")
    assert failed == 1 and found.loc["anna", "status"] == "ok"
    assert found.loc["broken", "error"].endswith(f" 1: {stand_ins.NO_FACE}")


@pytest.mark.parametrize("wrong", ["size", "rate", "short"])
def test_results_that_do_not_answer_frame_for_frame_are_left_out(
    tmp_path: Path, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.write(tmp_path / "videos" / "anna.mkv", gray_clips.frames(12, size=(48, 48)))
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "photos" / "anna.png")
    monkeypatch.setenv(stand_ins.VARIABLE, wrong)
    assert x_portrait(tmp_path, "--sources", str(tmp_path / "photos")).returncode == 1
    assert [file.name for file in (tmp_path / "made").iterdir()] == ["failed.csv"]
    reasons = {"size": "1536x512", "rate": "50 frames a second, not 25", "short": "6 frames, not 12"}
    assert reasons[wrong] in (tmp_path / "made" / "failed.csv").read_text()
    monkeypatch.delenv(stand_ins.VARIABLE)
    assert x_portrait(tmp_path, "--sources", str(tmp_path / "photos")).returncode == 0
    assert (tmp_path / "made" / "anna.mp4").is_file()


def test_every_recipe_has_a_page_and_stands_in_the_index() -> None:
    index = (RECIPES / "README.md").read_text(encoding="utf-8")
    scripts = {file.stem for file in RECIPES.glob("*.py")} - {"recipe"}
    assert scripts == {*stand_ins.SCRIPTS}
    for name in scripts:
        page = (RECIPES / f"{name}.md").read_text(encoding="utf-8")
        assert f"({name}.md)" in index and f"docs/recipes/{name}.py" in page
        assert "not run here" in " ".join(page.split()) and all(
            part in page for part in ("**License", "**Output", "**Frame", "**Metrics")
        )
