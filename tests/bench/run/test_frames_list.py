"""Frames made elsewhere are of some list, and are not measured on another one without a word."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from support.refused import refused

from baselines.external.frames_folder import FramesFolder
from bench.run.engine import Model
from bench.run.frames_list import check, content, mark
from bench.runtime.errors import UserError
from protocols.pairs import FrameRef, Pair, PairList
from reports.schema.frames import FORMAT, Inputs
from reports.schema.manifest import Crop


def listed(offset: int = 0, n: int = 6, **changes: object) -> PairList:
    def pair(k: int) -> Pair:
        frames = (FrameRef("mine", "clip", f"{number:07d}") for number in (0, k + offset))
        source, driving = frames
        return replace(Pair(f"{k:04d}", source, driving, driving, None, "a", "a"), **changes)

    return PairList(f"drawn-{offset}", 1, tuple(pair(k) for k in range(n)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "made"
    made.mkdir()
    for k in range(6):
        Image.new("RGB", (8, 8), "gray").save(made / f"{k:04d}.png")
    return made


def model(folder: Path, mode: str = "absolute") -> Model:
    return Model("mine", FramesFolder(folder), mode)


def write(folder: Path, pairs: PairList, **facts: str) -> None:
    (folder / "pairs.json").write_text(json.dumps(content(pairs, **facts).content()))


def test_frames_of_another_list_are_refused(folder):
    write(folder, listed(1))
    with refused(UserError, "wrong-frames", "drawn-1", "drawn-0", "6 pairs"):
        check(model(folder), listed(0))
    assert check(model(folder), listed(1)) == []


@pytest.mark.parametrize("change", [{"alpha": 1.2}, {"beta": 0.9}, {"source": FrameRef("mine", "other", "0")}])
def test_every_part_of_a_question_counts(folder, change):
    write(folder, listed())
    with refused(UserError, "wrong-frames"):
        check(model(folder), listed(**change))


def test_identities_and_targets_decide_no_frame(folder):
    write(folder, listed())
    assert check(model(folder), listed(target=None, source_identity="b")) == []


def test_an_anchor_counts_where_both_have_one(folder):
    one, other = (listed(anchor=FrameRef("mine", "clip", name)) for name in ("0", "1"))
    write(folder, one)
    assert check(model(folder), one) == check(model(folder), listed()) == []
    with refused(UserError, "wrong-frames"):
        check(model(folder), other)


def test_a_part_of_the_same_list_is_taken_and_more_pairs_are_named(folder):
    write(folder, listed())
    assert check(model(folder), listed(n=4)) == []
    write(folder, listed(n=4))
    (notice,) = check(model(folder), listed())
    assert all(value in notice for value in ("2 of 6 pairs", "drawn-0", "0004"))


def test_another_motion_mode_is_named(folder):
    write(folder, listed(), mode="relative")
    assert check(model(folder, "relative"), listed()) == []
    (notice,) = check(model(folder), listed())
    assert "relative" in notice and "absolute" in notice


def test_without_a_word_ids_that_are_positions_are_named(folder):
    (notice,) = check(model(folder), listed())
    assert "0000" in notice and "0005" in notice and "drawn-0" in notice
    named = PairList("named", 1, tuple(replace(p, id=f"clip{p.id}") for p in listed().pairs))
    for k in range(6):
        (folder / f"{k:04d}.png").rename(folder / f"clip{k:04d}.png")
    assert check(model(folder), named) == []


def test_a_frozen_list_beside_the_frames_says_it_too(folder):
    listed().write(folder / "pairs.csv")
    assert check(model(folder), listed(n=3)) == []
    with refused(UserError, "wrong-frames"):
        check(model(folder), listed(1))
    text = (folder / "pairs.csv").read_text()
    (folder / "pairs.csv").write_text(text.replace("clip/0000001", "clip/0000009"))
    with refused(UserError, "changed-file"):
        check(model(folder), listed())


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": "x"}', '{"format": "talking-head-bench frames 1"}', "\xff"]
)
def test_another_pairs_json_says_nothing(folder, text):
    (folder / "pairs.json").write_bytes(text.encode("latin-1"))
    wrong, unmarked = check(model(folder), listed())
    assert str(folder / "pairs.json") in wrong and FORMAT in wrong
    assert all(value in unmarked for value in (str(folder), "0000", "0005", "drawn-0"))


def test_marking(folder):
    (folder / "0005.png").unlink()
    file, n = mark(folder, listed())
    assert n == 5 and file == folder / "pairs.json" and check(model(folder), listed()) == []
    assert mark(folder, listed())[1] == 5
    with refused(UserError, "other-list", "drawn-0"):
        mark(folder, listed(1))


def test_another_seed_on_the_command_line(bench, tmp_path, sample_set):
    """Two lists drawn from custom clips; frames of the one are no answers to the other."""
    for clip in ("w_tilt", "j_onset"):
        shutil.copytree(sample_set / clip, tmp_path / "mine" / clip)
    for seed in (0, 1):
        assert bench("pairs", "make", "--data", "mine=mine", "--n", 3, "--seed", seed, "--out", f"{seed}.csv")[0] == 0
    run = ["run", "--protocol", "own-sameid", "--data", "mine=mine", "--metrics", "l1", "--no-bounds"]
    code, text = bench(*run, "--pairs", "0.csv", "--models", "copy-source", "--name", "a", "--save-frames")
    assert code == 0, text
    made = Path("runs/a/frames/copy-source")
    assert json.loads((made / "pairs.json").read_text())["model"] == "copy-source"
    asked = [*run, "--models", f"mine=frames:{made}"]
    ended = code, text = bench(*asked, "--pairs", "1.csv", "--name", "b")
    assert code == 2 and ended.error == "wrong-frames" and "3 pairs" in text and not Path("runs/b").exists()
    code, text = bench(*asked, "--pairs", "0.csv", "--name", "c", "--limit", 2)
    assert code == 0 and "taken for" not in text, text
    (made / "pairs.json").unlink()
    code, text = bench(*asked, "--pairs", "0.csv", "--name", "d")
    assert code == 0 and "0000" in text and "0002" in text
    notices = json.loads(Path("runs/d/manifest.json").read_text())["notices"]
    assert any("taken for" in notice for notice in notices) and "taken for" in Path("runs/d/report.html").read_text()
    code, text = bench("pairs", "mark", "0.csv", made)
    assert code == 0 and "3 pairs" in text
    assert bench(*asked, "--pairs", "1.csv", "--name", "e")[0] == 2
    (made / "0001.png").unlink()
    code, text = bench(*asked, "--pairs", "0.csv", "--name", "f")
    assert code == 1 and "1 of 3 pairs" in text and f"{made}/0001.png" in text
    assert pd.read_parquet("runs/f/samples.parquet")["status"].tolist() == ["ok", "failed", "ok"]


INPUTS = Inputs(frame_size="256x256", crop={"mine": Crop(mode="center")}, clips_sha256={"mine/clip": "some 1"})


@pytest.mark.parametrize(
    "change",
    [
        {"frame_size": "512x512"},
        {"crop": {"mine": Crop(mode="face", clips={"clip": "face 0,0,9,9 of 40x30, face in 9 of 9"})}},
        {"clips_sha256": {"mine/clip": "some 2"}},
    ],
)
def test_frames_made_from_other_inputs_are_refused(folder, change):
    write(folder, listed(), **INPUTS.content())
    assert check(model(folder), listed(), INPUTS) == []
    with refused(UserError, "wrong-frames"):
        check(model(folder), listed(), INPUTS.but(**change))
    write(folder, listed())  # as earlier releases and `pairs mark` do
    assert check(model(folder), listed(), INPUTS.but(**change)) == []


def test_of_a_part_of_the_list_nobody_can_tell_whether_folders_hold_the_same(folder):
    write(folder, listed(), **INPUTS.content())
    (notice,) = check(model(folder), listed(n=3), INPUTS.but(clips_sha256={"mine/clip": "some 2"}))
    assert "mine/clip" in notice and "drawn-0" not in notice


def test_another_crop_and_other_files_on_the_command_line(bench, tmp_path, sample_set):
    (tmp_path / "mine" / "su").mkdir(parents=True)
    portrait = Image.open(sample_set / "still" / "su" / "0000000.png").convert("RGB")
    for number in range(3):
        image = Image.new("RGB", (600, 300), (60, 90, 120))
        image.paste(portrait, (10 + 9 * number, 20))
        image.save(tmp_path / "mine" / "su" / f"{number}.png")
    Path("list.csv").write_text("source,driving\nmine/su/0,mine/su/1\nmine/su/0,mine/su/2\n")
    run = ["run", "--protocol", "own-sameid", "--data", "mine=mine", "--metrics", "l1", "--no-bounds"]
    run += ["--pairs", "list.csv", "--crop"]
    code, text = bench(*run, "face", "--models", "copy-target", "--name", "a", "--save-frames")
    assert code == 0, text
    frames = "mine=frames:runs/a/frames/copy-target"
    assert bench(*run, "face", "--models", frames, "--name", "b")[0] == 0
    assert pd.read_parquet("runs/b/samples.parquet")["l1"].max() < 1e-6
    ended = code, text = bench(*run, "center", "--models", frames, "--name", "c")
    assert code == 2 and ended.error == "wrong-frames" and not Path("runs/c").exists()
    assert "mine/su (" in text and "600x300" in text  # both cuts
    file = tmp_path / "mine" / "su" / "2.png"
    image = Image.open(file).convert("RGB")
    image.putpixel((599, 299), (0, 0, 0))  # the face stays where it is
    image.save(file)
    ended = code, text = bench(*run, "face", "--models", frames, "--name", "d")
    assert code == 2 and ended.error == "wrong-frames" and "mine/su" in text and "600x300" not in text
