"""Runs of models that are driven by sound: what they are told, what they may not see, what a bad sound does."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from support import finished_videos as made
from support import gray_clips, made_sounds, talking_clips
from support.refused import refused
from support.talking_clips import FIRST, FRAMES, LAST, TEMPLATE

from baselines.errors import ModelError
from bench.run.talking import NOT_ALIKE
from bench.rundir.directory import RunDirectory
from protocols.template import back_and_forth

ASKED = LAST - FIRST


@pytest.fixture
def root(tmp_path):
    talking_clips.videos(tmp_path / "videos")
    (tmp_path / "hearer.py").write_text(talking_clips.HEARER)
    return tmp_path


def _hearer(root) -> str:
    return f"hearer={root}/hearer.py:Hearer"


def _levels(run, model, clip) -> list[int]:
    files = sorted((run / "frames" / model).glob(f"{clip}-*.png"))
    return [int(np.asarray(Image.open(file)).mean()) for file in files]


def _frames(run) -> pd.DataFrame:
    return pd.read_parquet(run / "frames.parquet")


def test_a_model_hears_the_sound_of_the_asked_seconds_and_sees_the_template(root):
    run, failed = talking_clips.start(root, [_hearer(root)], talking_clips.clips())
    assert failed == 2  # the bound that finds no faces in gray frames
    shown = back_and_forth(TEMPLATE, ASKED)
    expected = [gray_clips.DARKEST + gray_clips.STEP * shown[k] - (FIRST + k) for k in range(ASKED)]
    assert _levels(run, "hearer", "anna") == _levels(run, "hearer", "ben") == expected
    copied = [gray_clips.DARKEST + gray_clips.STEP * k for k in shown]
    assert _levels(run, "copy-template", "anna") == copied
    manifest = RunDirectory(run).manifest()
    assert [(model.name, model.driven_by) for model in manifest.models][0] == ("hearer", "sound")
    assert list(manifest.labels) == ["hearer", "copy-template", "copy-target", "wrong-sound"]
    rows = pd.read_parquet(run / "samples.parquet").set_index(["model", "pair"])
    assert rows.loc[("wrong-sound", "ben"), ["frames_failed", "frames"]].tolist() == [ASKED, ASKED]
    assert "face" in rows.loc[("wrong-sound", "ben"), "error"]
    assert not [notice for notice in manifest.notices if notice.startswith(NOT_ALIKE)]


def test_a_model_is_told_which_seconds_of_the_video_are_asked_for(root):
    (root / "told.py").write_text(
        "import torch\nfrom baselines.talking import TalkingPredictor\n"
        "class Told(TalkingPredictor):\n    name = 'told'\n    def __init__(self, **options): pass\n"
        "    def talk(self, talk):\n"
        "        for frame in talk.template():\n            yield torch.full_like(frame, talk.begins * 25 / 255)\n"
    )
    run, _ = talking_clips.start(root, [f"told={root}/told.py:Told"], talking_clips.clips())
    assert _levels(run, "told", "anna") == [FIRST] * ASKED


def test_rows_depend_on_neither_batches_nor_an_interruption(root):
    tables = []
    for name, size in (("a", 1), ("b", 5), ("c", 64)):
        run, _ = talking_clips.start(
            root, [_hearer(root)], talking_clips.clips(), bounds=False, name=name, batch_size=size
        )
        tables.append(_frames(run))
    pd.testing.assert_frame_equal(tables[0], tables[1])
    pd.testing.assert_frame_equal(tables[0], tables[2])


def test_models_that_see_the_true_frames_are_told_apart(root):
    (root / "seer.py").write_text(
        "from baselines.predictor import Predictor\n\n\nclass Seer(Predictor):\n    name = 'seer'\n\n"
        "    def __init__(self, **options):\n        pass\n\n"
        "    def predict(self, batch, mode):\n        return batch.driving * 0.9\n"
    )
    models = [_hearer(root), f"seer={root}/seer.py:Seer"]
    run, failed = talking_clips.start(root, models, talking_clips.clips(), bounds=False)
    manifest = RunDirectory(run).manifest()
    assert failed == 0
    assert {model.name: model.driven_by for model in manifest.models if model.driven_by} == {
        "hearer": "sound",
        "seer": "frames",
    }
    (notice,) = [notice for notice in manifest.notices if notice.startswith(NOT_ALIKE)]
    assert "seer" in notice and "hearer" in notice


def test_where_no_sound_drives_the_clips_the_model_is_refused(root):
    with refused(ModelError, "wrong-protocol", "hearer"):
        talking_clips.start(root, [_hearer(root)], talking_clips.clips(driven=False))
    with refused(ModelError, "wrong-protocol", "copy-template", "copy-source, copy-target"):
        talking_clips.start(root, ["copy-template"], talking_clips.clips(driven=False))
    with refused(ModelError, "wrong-protocol", "copy-source"):
        talking_clips.start(root, ["copy-source"], talking_clips.clips())


def test_a_template_that_is_the_truth_is_no_bound(root):
    run, failed = talking_clips.start(root, [_hearer(root)], talking_clips.clips(own=True))
    assert failed == 0
    assert RunDirectory(run).manifest().labels == ["hearer", "copy-target"]
    with refused(ModelError, "wrong-protocol", "copy-template"):
        talking_clips.start(root, ["copy-template"], talking_clips.clips(own=True))


def test_a_clip_without_sound_fails_and_the_others_do_not(root):
    made.write(root / "videos" / "ben.mkv", gray_clips.frames(FRAMES, size=talking_clips.SIZE))
    run, failed = talking_clips.start(root, [_hearer(root)], talking_clips.clips(), bounds=False)
    assert failed == 1
    rows = pd.read_parquet(run / "samples.parquet").set_index(["model", "pair"])
    assert rows.loc[("hearer", "anna"), "status"] == "ok"
    assert rows.loc[("hearer", "ben"), "status"] == "failed"
    assert "no sound" in rows.loc[("hearer", "ben"), "error"]


@pytest.mark.parametrize(
    ("rate", "channels", "gain"), [(8000, 1, 1.0), (96000, 1, 1.0), (44100, 2, 1.0), (16000, 1, 9.0), (16000, 1, 0.0)]
)
def test_sounds_of_every_kind_drive(tmp_path, rate, channels, gain):
    folder = tmp_path / "videos" / "anna"
    folder.mkdir(parents=True)
    for number, picture in enumerate(gray_clips.frames(FRAMES, size=talking_clips.SIZE)):
        Image.fromarray(picture).save(folder / f"{number:06d}.png")
    heard = made_sounds.clicks(FRAMES / made.RATE, (0.4, 0.6), rate, channels)
    loud = np.clip(gain * heard.astype(float), -32768, 32767).astype(np.int16)
    made_sounds.write(folder.with_suffix(".wav"), loud, rate)
    (tmp_path / "hearer.py").write_text(talking_clips.HEARER.replace("// 20", "// 2000"))
    run, failed = talking_clips.start(
        tmp_path, [_hearer(tmp_path)], talking_clips.clips(["anna"], suffix=""), bounds=False
    )
    assert failed == 0
    expected = [gray_clips.DARKEST + gray_clips.STEP * k for k in back_and_forth(TEMPLATE, ASKED)]
    darker = np.array(expected) - np.array(_levels(run, "hearer", "anna"))
    assert (darker[[0, 5]] > 5).all() == (gain > 0)
    assert (darker[[2, 3, 8, 9, 10]] <= 1).all()


def test_a_damaged_sound_is_a_counted_failure(tmp_path):
    folder = tmp_path / "videos" / "anna"
    folder.mkdir(parents=True)
    for number, picture in enumerate(gray_clips.frames(FRAMES, size=talking_clips.SIZE)):
        Image.fromarray(picture).save(folder / f"{number:06d}.png")
    folder.with_suffix(".wav").write_text("noise\n" * 50)
    (tmp_path / "hearer.py").write_text(talking_clips.HEARER)
    run, failed = talking_clips.start(
        tmp_path, [_hearer(tmp_path)], talking_clips.clips(["anna"], suffix=""), bounds=False
    )
    assert failed == 1
    rows = pd.read_parquet(run / "samples.parquet").set_index("model")
    assert "anna.wav" in rows.loc["hearer", "error"]


def test_what_a_model_fails_at_is_counted_with_its_reason(root):
    (root / "hearer.py").write_text(
        talking_clips.HEARER.replace("for time, frame in", "for k, (time, frame) in enumerate(").replace(
            "talk.template()):",
            "talk.template())):\n            if k == 4 and talk.id == 'ben': raise ValueError('lost')",
        )
    )
    run, failed = talking_clips.start(root, [_hearer(root)], talking_clips.clips(), bounds=False, batch_size=3)
    frames = _frames(run)
    mine = frames[frames["model"] == "hearer"].set_index(["clip", "time"])
    assert failed == 1
    assert (mine.loc["anna", "status"] == "ok").all()
    assert mine.loc["ben", "status"].to_list() == ["ok"] * 4 + ["failed"] * (ASKED - 4)
    assert set(mine.loc["ben", "error"].dropna()) == {"ValueError: lost"}
