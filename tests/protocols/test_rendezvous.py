"""Lists that are rules, carried out on whatever clips are there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from support.refused import refused

from protocols import catalogue
from protocols.check import Checked
from protocols.custom_dataset import open_dataset
from protocols.datasets import Dataset
from protocols.errors import DataError
from protocols.pairs import PairList
from protocols.published import RULES, read_pairs
from protocols.rendezvous import rendezvous_pairs
from protocols.resolve import resolve

PEOPLE, VIDEOS, FRAMES = 6, 5, 60


def root(folder: Path, split: str, start: int = 0) -> Path:
    """Empty files in VoxCeleb's layout: names are all that a rule reads."""
    for person in range(PEOPLE):
        for video in range(VIDEOS):
            clip = folder / split / f"id{start + person:05d}#v{video}#000000#000060.mp4"
            clip.mkdir(parents=True)
            for frame in range(FRAMES):
                (clip / f"{frame:07d}.png").touch()
    return folder


@pytest.fixture
def vox2(tmp_path) -> Dataset:
    return open_dataset("vox2", root(tmp_path / "vox2", "test"))


def drawn(dataset: Dataset, name: str = "vox2-sameid", n: int = 100, videos: int | None = 12) -> PairList:
    return rendezvous_pairs(dataset, replace(catalogue.get(name), n=n, videos=videos))


def questions(pairs: PairList) -> dict[str, tuple[str, str]]:
    return {pair.id: (str(pair.source), str(pair.driving)) for pair in pairs.pairs}


def test_the_rule_is_what_it_was(vox2):
    """Once published a rule stays: another one gets another name."""
    pairs = drawn(vox2)
    assert pairs.sha256 == "44fec6ef72c2ab5ffb34ecb1659e6dd0c9815e2973517958fd0eb705fccf7153"
    assert pairs.counts()["clips"] == 12
    assert all(pair.source.clip == pair.driving.clip and pair.source != pair.driving for pair in pairs.pairs)
    assert len(set(questions(pairs).values())) == 100


def test_clips_win_about_equally_often(vox2):
    pairs = drawn(vox2, n=600)
    of_clip = [sum(pair.source.clip == clip for pair in pairs.pairs) for clip in {p.source.clip for p in pairs.pairs}]
    assert min(of_clip) > 25 and max(of_clip) < 80  # 50 expected, standard deviation 6.8


def test_a_missing_clip_changes_its_pairs_and_those_of_its_successor_alone(vox2):
    before = questions(drawn(vox2))
    gone = next(iter(before.values()))[0].rpartition("/")[0]
    shutil.rmtree(vox2.root / gone.removeprefix("vox2/"))
    after = questions(drawn(vox2))
    clips = {source.rpartition("/")[0] for source, _ in before.values()}
    (new,) = {source.rpartition("/")[0] for source, _ in after.values()} - clips
    changed = [number for number in before if before[number] != after[number]]
    lost = [number for number in before if before[number][0].startswith(gone + "/")]
    assert set(lost) < set(changed) and len(changed) < 3 * len(lost)
    assert all(number in lost or after[number][0].startswith(new) for number in changed)


def test_a_missing_frame_changes_the_pairs_that_name_it_alone(vox2):
    before = questions(drawn(vox2))
    gone = before["0007"][1]
    (vox2.root / (gone.removeprefix("vox2/") + ".png")).unlink()
    after = questions(drawn(vox2))
    assert {number for number in before if before[number] != after[number]} == {
        number for number in before if gone in before[number]
    }


def test_seen_identities_keep_a_video(tmp_path):
    dataset = open_dataset("vox1", root(tmp_path / "vox1", "train", start=10000))
    pairs = drawn(dataset, "vox1-seenid", videos=None)
    clips = {pair.source.clip for pair in pairs.pairs}
    assert len(clips) == PEOPLE * (VIDEOS - 1)
    people = {dataset.identity(clip) for clip in clips}
    assert len(people) == PEOPLE and all(clip.startswith("train/") for clip in clips)


def test_too_little_data(vox2, tmp_path):
    with refused(DataError, "too-few-pairs", "3600"):
        drawn(vox2, n=3600, videos=1)
    (tmp_path / "few" / "train" / "id10000#v#0#1.mp4").mkdir(parents=True)
    with refused(DataError, "too-few-clips", "vox1-seenid"):
        drawn(open_dataset("vox1", tmp_path / "few"), "vox1-seenid")


@pytest.mark.parametrize("name", RULES)
def test_a_rule_needs_the_data(name):
    assert catalogue.get(name).frozen == name
    with refused(DataError, "pair-list-is-a-rule", f"pairs make --frozen {name} --data vox"):
        read_pairs(Path(f"frozen:{name}"))


def test_a_run_carries_the_rule_out(tmp_path, monkeypatch):
    folder = root(tmp_path / "vox2", "test")
    protocol = replace(catalogue.get("vox2-sameid"), n=20)
    monkeypatch.setattr("protocols.resolve.check_frames", lambda *_, **__: Checked(256, 256, []))  # the files are empty
    found = resolve(protocol, {"vox2": folder}, tmp_path, pair_file=Path("frozen:vox2-sameid"))
    assert found.pair_list.sha256 == rendezvous_pairs(open_dataset("vox2", folder), protocol).sha256
    assert found.pair_list.provenance["rule"] == "vox2-sameid-1"
    with refused(DataError, "missing-data", "--data vox2"):
        resolve(protocol, {}, tmp_path, pair_file=Path("frozen:vox2-sameid"))


def test_on_the_command_line(tmp_path):
    folder = root(tmp_path / "vox2", "test")

    def make(*more: str, data: str = f"vox2={folder}") -> subprocess.CompletedProcess:
        line = [sys.executable, "-m", "bench", "pairs", "make", "--data", data, "--out", "list.csv", *more]
        return subprocess.run(line, capture_output=True, text=True, cwd=tmp_path)

    assert make("--frozen", "vox2-sameid").returncode == 0
    assert len(PairList.read(tmp_path / "list.csv")) == 2083
    for wrong, words in (
        (make("--frozen", "vox2"), ("--frozen vox2:", "vox2-sameid")),
        (make("--frozen", "vox2-sameid", "--n", "5"), ("--frozen", "--data", "--out")),
        (make("--frozen", "vox2-sameid", data=f"vox1={folder}"), ("--frozen vox2-sameid", "--data vox2=PATH")),
    ):
        assert wrong.returncode == 2 and "Traceback" not in wrong.stderr
        assert all(word in wrong.stderr for word in words), wrong.stderr
