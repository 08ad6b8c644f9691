"""Clips of pair lists are kept out of a training."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from support.refused import refused

from baselines.predictor import ModelError
from baselines.training import clips as folders
from baselines.training.data import TrainingFrames
from baselines.training.exclude import excluded
from baselines.training.loop import train
from baselines.training.settings import TrainSettings
from protocols import catalogue
from protocols.custom_dataset import open_dataset
from protocols.pairs import FrameRef, Pair, PairList
from protocols.rendezvous import rendezvous_pairs

NAMES = [f"id1000{person}#video{clip}#0#9.mp4" for person in range(4) for clip in range(3)]


@pytest.fixture
def vox1(tmp_path: Path) -> Path:
    """A folder `train` as VoxCeleb1's, of empty files: nothing is decoded."""
    for name in NAMES:
        folder = tmp_path / "vox1" / "train" / name
        folder.mkdir(parents=True)
        for number in range(30):
            (folder / f"{number:07d}.png").touch()
    return tmp_path / "vox1" / "train"


def published(file: Path, *rows: str) -> str:
    file.write_text("\n".join(["source,driving,best_frame", *rows]), encoding="utf-8")
    return str(file)


def test_source_driving_frame_and_anchor_are_left_out(vox1: Path, tmp_path: Path, caplog) -> None:
    frames = [f"/their/disk/vox1/test/{NAMES[i]}/0000001.png" for i in (7, 2, 4)]
    with caplog.at_level(logging.INFO):
        found = excluded([published(tmp_path / "list.csv", ",".join(frames))], vox1)
    assert found == (NAMES[2], NAMES[4], NAMES[7])
    assert "3 of 12 training" in caplog.text
    left = folders.names(vox1, None, found)
    assert left == [name for name in NAMES if name not in found]
    assert folders.identities(vox1, None, {*NAMES[:3]}) == 3


def test_targets_of_frozen_lists_and_several_lists(vox1: Path, tmp_path: Path) -> None:
    refs = [FrameRef("vox1", f"train/{name}", "0000000") for name in NAMES[:3]]
    PairList("mine", 1, (Pair("0", *refs, None, "a", "b"),)).write(tmp_path / "a.csv")
    other = published(tmp_path / "b.csv", f"{NAMES[5]},{NAMES[5]},0")
    assert excluded([str(tmp_path / "a.csv"), other], vox1) == (*NAMES[:3], NAMES[5])


def test_videos_are_found_by_their_names_with_or_without_suffix(vox1: Path, tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    (videos / NAMES[0]).touch()
    (videos / "talk.MOV").touch()
    assert excluded([published(tmp_path / "a.csv", f"{NAMES[0]},{NAMES[0]},0")], videos) == (NAMES[0][:-4],)
    ref = FrameRef("mine", "anna/talk.mov", "0000000")
    PairList("own", 1, (Pair("0", ref, ref, None, None, "a", "a"),)).write(tmp_path / "own.csv")
    assert excluded([str(tmp_path / "own.csv")], videos) == ("talk",)


def test_a_rule_is_carried_out_on_the_data(vox1: Path) -> None:
    found = excluded(["frozen:vox1-seenid"], vox1)
    pairs = rendezvous_pairs(open_dataset("vox1", vox1.parent), catalogue.get("vox1-seenid"))
    assert {f"train/{name}" for name in found} == {ref.clip for ref in pairs.refs()}
    kept = folders.names(vox1, None, found)
    assert len(found) == 8 and {folders.identity(name) for name in kept} == {name[:7] for name in NAMES}
    vox1.rename(vox1.with_name("clips"))
    with pytest.raises(ModelError, match="pairs make --frozen vox1-seenid"):
        excluded(["frozen:vox1-seenid"], vox1.with_name("clips"))


@pytest.mark.parametrize(
    ("given", "code", "values"),
    [
        ("frozen:vox1-sameid", "wrong-pairs", [" 100 clips ", " 12 clips "]),
        ("frozen:nothing", "unknown-pair-list", ["'nothing'"]),
        ("nowhere.csv", "unreadable-file", ["nowhere.csv"]),
    ],
)
def test_a_list_that_matches_nothing_is_an_error(given: str, code: str, values: list[str], vox1: Path) -> None:
    with refused(ModelError, code, *values) as error:
        excluded([given], vox1)
    assert "\n" not in str(error.value)


def test_a_list_written_by_hand_is_frozen_first(vox1: Path, tmp_path: Path) -> None:
    (tmp_path / "hand.csv").write_text("source,driving\nanna/talk.mp4/1,anna/talk.mp4\n")
    with refused(ModelError, "missing-data", "hand.csv", "--data"):
        excluded([str(tmp_path / "hand.csv")], vox1)


def test_a_list_of_all_clips_leaves_none(vox1: Path, tmp_path: Path) -> None:
    rows = [f"{name},{name},0" for name in NAMES]
    with refused(ModelError, "too-few-clips"):
        excluded([published(tmp_path / "all.csv", *rows)], vox1)


def test_a_training_without_a_clip_resumes_and_says_so(
    clips: Path, tmp_path: Path, interrupted_after_one: Callable[[TrainSettings], Path]
) -> None:
    fields = dict(model="fomm", data=clips, steps=2, stages=((64, 1.0, 2),), recipe="published", bf16=False)
    checkpoint = interrupted_after_one(TrainSettings(**fields, out=tmp_path / "a", excluded=("a",), save_every=1))
    with safe_open(checkpoint, "pt") as file:
        assert '"excluded": ["a"]' in file.metadata()["training"]
    state = torch.load(tmp_path / "a" / "state.pt", weights_only=True)
    assert state["identity"]["data_sha256"] == TrainingFrames(clips, ["b"]).sha256
    with pytest.raises(ModelError, match="another excluded"):
        train(TrainSettings(**fields, out=tmp_path / "a"))
