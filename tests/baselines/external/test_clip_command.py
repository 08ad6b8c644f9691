"""An external program that makes clips: its input, which output counts, and how failures are counted."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from support import finished_videos as made
from support import gray_clips, talking_clips
from support.refused import refused
from support.talking_clips import FIRST, LAST, TEMPLATE

from baselines import registry
from baselines.errors import ModelError
from baselines.external.clip_command import ClipCommand, wrong_size
from baselines.external.process import TIMEOUT
from baselines.predictor import PairBatch
from baselines.talking import Talk
from bench.rundir.directory import RunDirectory
from protocols.sound import RATE, Sound
from protocols.template import back_and_forth

ASKED = LAST - FIRST
# Writes the template, darker by the loudest sample while it is shown, over 20, as `talking_clips.HEARER`; then `edit`.
PROGRAM = """
import json, pathlib, sys, time, wave
import numpy as np
from PIL import Image
sys.path.insert(0, {support!r})
from support import finished_videos
clip, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
about, root = json.loads(clip.read_text()), clip.parent
with wave.open(str(root / about["sound"])) as file:
    sound = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, round(file.getframerate() / 25))
frames = [np.asarray(Image.open(file)) for file in sorted((root / about["template_frames"]).iterdir())]
assert len(frames) == len(sound) == about["frames"]
assert (np.asarray(Image.open(root / about["source"])) == frames[0]).all()
frames = [frame - (np.abs(heard[:320].astype(int)).max() // 20).astype(np.uint8) for frame, heard in zip(frames, sound)]
rate, name = 25, "made.mkv"
{edit}
finished_videos.write(out / name, frames, rate)
"""


@pytest.fixture
def program(tmp_path):
    """Write the program; returns its spec."""

    def write(edit: str = "") -> str:
        file = tmp_path / "program.py"
        file.write_text(PROGRAM.format(support=str(Path(__file__).parents[2]), edit=edit))
        return f"mine=cmd:{shlex.quote(sys.executable)} {shlex.quote(str(file))} {{clip}} {{out}}"

    return write


@pytest.fixture
def root(tmp_path):
    talking_clips.videos(tmp_path / "videos", ["anna"])
    return tmp_path


def rows(root: Path, spec: str, name: str = "r") -> pd.DataFrame:
    run, _ = talking_clips.start(root, [spec], talking_clips.clips(["anna"]), bounds=False, name=name)
    return pd.read_parquet(run / "frames.parquet").sort_values("time")


def talk(count: int = 5, rate: float = 25.0, times: tuple[float, ...] = (), size: tuple[int, int] = (48, 64)) -> Talk:
    pictures = [torch.from_numpy(one).permute(2, 0, 1) / 255 for one in made.frames(range(count), size)]
    times = times or tuple(k / rate for k in range(count))
    sound = Sound(np.arange(round(count / rate * RATE), dtype=np.int16), RATE)
    return Talk("c", sound, times, rate, lambda: iter(pictures), "anna", 3)


def test_a_run_hears_the_sound_sees_the_template_and_measures_what_is_written(root, program):
    spec = program()
    run, failed = talking_clips.start(root, [spec], talking_clips.clips(["anna"]), bounds=False)
    assert failed == 0
    shown = back_and_forth(TEMPLATE, ASKED)
    expected = [gray_clips.DARKEST + gray_clips.STEP * shown[k] - (FIRST + k) for k in range(ASKED)]
    files = sorted((run / "frames" / "mine").glob("anna-*.png"))
    assert [int(np.asarray(Image.open(file)).mean()) for file in files] == expected
    manifest = RunDirectory(run).manifest()
    (entry,) = [model for model in manifest.models if model.name == "mine"]
    assert entry.driven_by == "sound" and entry.code_sha256
    assert any(name.endswith("program.py") for name in manifest.code["mine"].files)
    assert not [notice for notice in manifest.notices if "NOT ALIKE" in notice or "FRAME SIZE" in notice]


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        ("sys.exit('no-face')", r"\b1: no-face$"),
        ("sys.exit(0)", r"\b0 videos\b"),
        ("finished_videos.write(out / 'other.mkv', frames)", r"\b2 videos\b"),
        ("(out / 'a.mp4').write_text('no video'); sys.exit(0)", r"\ba\.mp4\b"),
        ("frames = frames * 2", r"\b0\.96 s\b.*\b0\.48 s\b"),
        ("rate = 10", r"\b1\.20 s\b.*\b0\.48 s\b"),
        ("frames = np.asarray(frames)[:, :24]", r"\b48x24\b.*\b48x48\b"),
    ],
)
def test_what_the_program_does_wrong_is_the_reason_of_all_frames(root, program, edit, reason):
    found = rows(root, program(edit))
    assert len(found) == ASKED and (found["status"] == "failed").all()
    assert all(re.search(reason, error) for error in found["error"]), found["error"].iloc[0]
    assert all(str(root.parent) not in error.split("wrote")[-1] for error in found["error"])
    assert found.get("l1", pd.Series(dtype=float)).isna().all()


def test_a_short_video_fails_in_the_frames_that_it_lacks(root, program):
    found = rows(root, program("frames = frames[:-2]"))
    assert found["status"].to_list() == ["ok"] * (ASKED - 2) + ["failed"] * 2
    (error,) = set(found["error"].dropna())
    assert error.startswith(f"{sys.executable}: ") and error.endswith(" 0.400 s")


def test_other_rates_are_compared_at_the_same_time_and_other_sizes_are_resized(root, program):
    exact = rows(root, program())
    doubled = (
        "frames = [np.asarray(Image.fromarray(one).resize((96, 96))) for one in frames for _ in range(2)]; rate = 50"
    )
    other = rows(root, program(doubled), "other")
    assert (other["status"] == "ok").all()
    np.testing.assert_allclose(other["l1"], exact["l1"], atol=1e-6)


def test_a_program_that_takes_too_long_is_ended_and_not_called_again(root, program, monkeypatch):
    monkeypatch.setenv(TIMEOUT, "2")
    before = time.monotonic()
    found = rows(root, program("time.sleep(60)"))
    assert time.monotonic() - before < 40
    assert (found["status"] == "failed").all()
    assert all(" 2 s " in error and TIMEOUT in error for error in found["error"])


def test_only_protocols_that_sound_drives_can_ask_it(root, program):
    with refused(ModelError, "wrong-protocol", "driven by sound"):
        talking_clips.start(root, [program()], talking_clips.clips(["anna"], driven=False))


def test_commands_without_the_placeholder_are_asked_for_pairs():
    loaded = [registry.load(f"cmd:true {rest}", weights=None, device=torch.device("cpu")) for rest in ("", "{clip}")]
    assert [isinstance(one, ClipCommand) for one in loaded] == [False, True]
    assert [one.driven_by for one in loaded] == ["frames", "sound"]


def test_frames_that_are_asked_for_again_need_no_second_call(tmp_path):
    counting = tmp_path / "count.sh"
    video = made.write(tmp_path / "x.mkv", made.frames(range(5)))
    counting.write_text(f"echo called >> {tmp_path}/calls\ncp {video} $2/\n")
    model = registry.load(f"cmd:sh {counting} {{clip}} {{out}}", weights=None, device=torch.device("cpu"))
    names = [f"c-{k}" for k in range(5)]
    model.begin(talk(), names)
    blank = torch.zeros(1, 3, 48, 64)
    first = [model.predict(PairBatch((name,), blank, blank), "absolute") for name in (*names, names[0])]
    assert torch.equal(first[0], first[-1]) and first[0].isfinite().all()
    assert (tmp_path / "calls").read_text() == "called\n"
    folder = Path(model._temporary.name)
    model.close()
    assert not folder.exists()


def test_uneven_times_become_a_steady_template(tmp_path):
    keeping = tmp_path / "keep.sh"
    keeping.write_text(f"cp -r $(dirname $1) {tmp_path}/kept\n")
    model = registry.load(f"cmd:sh {keeping} {{clip}} {{out}}", weights=None, device=torch.device("cpu"))
    times = (0.0, 0.01, 0.12, 0.13, 0.16)
    (first, *_) = model.talk(talk(5, 25.0, times))
    assert first.startswith("sh wrote 0 videos")
    about = json.loads((tmp_path / "kept" / "clip.json").read_text())
    assert (about["frames"], about["width"], about["height"], about["identity"], about["seed"]) == (
        5,
        64,
        48,
        "anna",
        3,
    )
    written = [np.asarray(Image.open(f)) for f in sorted((tmp_path / "kept" / "template").iterdir())]
    wanted = made.frames([0, 1, 1, 2, 4])  # shown at 0, 0.04, 0.08, 0.12 and 0.16 s
    assert all(np.array_equal(a, b) for a, b in zip(written, wanted, strict=True))
    assert os.path.getsize(tmp_path / "kept" / "template.mp4") > 0
    model.close()


@pytest.mark.parametrize(("size", "fits"), [((512, 512), True), ((510, 512), True), ((512, 1536), False)])
def test_which_frames_can_be_laid_over_a_square_template(size, fits):
    assert (wrong_size(size, (256, 256)) is None) == fits
