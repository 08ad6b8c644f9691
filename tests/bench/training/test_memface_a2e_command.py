from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from typer.testing import CliRunner

from baselines.checkpoints import load
from baselines.facemesh.canonical import canonical
from baselines.memface.training.takes import Take
from bench.cli.main import app
from bench.training import memface_a2e
from bench.training.command import STAGES
from protocols.errors import BenchError
from protocols.sound import Sound


def spoken(place: Path, cache: Path, begin: float = 0.0, end: float | None = None) -> Take:
    rng = np.random.default_rng(len(place.name))
    frames = round(((end or 2.0) - begin) * 25)
    aligned = canonical()[0] + rng.normal(size=(frames, 468, 3)) * 0.1
    sound = Sound((rng.normal(size=frames * 640) * 900).astype(np.int16), 16000, begin)
    return Take(place.stem, aligned, np.ones(frames, bool), begin + np.arange(frames) / 25, sound)


@pytest.fixture
def clips(tmp_path, monkeypatch):
    """A folder of two clips, whose content is made up."""
    (tmp_path / "data" / "a").mkdir(parents=True)
    (tmp_path / "data" / "b.mp4").write_bytes(b"a video")
    monkeypatch.setattr(memface_a2e, "take", spoken)
    return tmp_path / "data"


def call(*arguments: object):
    return CliRunner().invoke(app, ["train", *(str(argument) for argument in arguments)])


def refused(done, word: str) -> None:
    """The command ends in an error of a user, which `bench.cli.main.main` makes one line and exit code 2 of."""
    assert isinstance(done.exception, BenchError) and word in str(done.exception)
    assert "\n" not in str(done.exception)


SMALL = ("--steps", 2, "--recipe", "short")


def test_a_folder_in_which_another_process_trains_is_refused(clips, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    with FileLock(out / ".lock"):  # as another process holds it
        done = call("--model", "memface-a2e", "--data", clips, "--out", out, *SMALL)
        assert isinstance(done.exception, BenchError) and done.exception.code == "locked"
        assert str(out) in str(done.exception) and [file.name for file in out.iterdir()] == [".lock"]
    assert call("--model", "memface-a2e", "--data", clips, "--out", out, *SMALL).exit_code == 0
    assert (out / "memface-a2e.safetensors").is_file() and not (out / ".lock.json").exists()


def test_train_and_adapt(clips, tmp_path):
    done = call("--model", "memface-a2e", "--data", clips, "--out", tmp_path / "out", *SMALL)
    assert done.exit_code == 0, done.output
    first = load(tmp_path / "out" / "memface-a2e.safetensors")
    assert [one["clip"] for one in first.facts["takes"]] == ["a", "b"]
    assert first.config["speech"] == "log-mel" and first.config["basis"] == "facemesh-32"
    begun = ("--init-from", tmp_path / "out" / "memface-a2e.safetensors")
    done = call("--model", "memface-a2e", "--adapt", clips / "a", *begun, "--out", tmp_path / "new", *SMALL)
    assert done.exit_code == 0, done.output
    adapted = load(tmp_path / "new" / "memface-a2e.safetensors")
    assert adapted.facts["started_from"] and adapted.facts["recipe"]["rate"] == 3e-4
    assert adapted.config == first.config


def test_an_adaptation_refuses_what_its_checkpoint_has_decided(clips, tmp_path):
    assert call("--model", "memface-a2e", "--data", clips, "--out", tmp_path / "out", *SMALL).exit_code == 0
    begun = ("--init-from", tmp_path / "out" / "memface-a2e.safetensors")
    for line, code in [
        ("speech = 'hama'", "other-network"),
        ("speech_rate = 50.0", "bad-settings-file"),
        ("basis = 'arkit'", "other-network"),
        ("window = 8", "unused-option"),
        ("components = 16", "unused-option"),
    ]:
        (tmp_path / "a.toml").write_text(line)
        done = call("--model", "memface-a2e", "--adapt", clips / "a", *begun, "--out", tmp_path / "new", *SMALL,
                    "--config", tmp_path / "a.toml")  # fmt: skip
        assert isinstance(done.exception, BenchError) and done.exception.code == code, line
    (tmp_path / "a.toml").write_text("speech = 'log-mel'\nbasis = 'facemesh'")
    done = call("--model", "memface-a2e", "--adapt", clips / "a", *begun, "--out", tmp_path / "new", *SMALL,
                "--config", tmp_path / "a.toml")  # fmt: skip
    assert done.exit_code == 0, done.output


def test_published_recipe_is_what_is_printed(clips, tmp_path):
    found = memface_a2e.A2ESettings(model="memface-a2e", out=tmp_path, data=str(clips))
    assert not found.short and memface_a2e.A2ESettings(model="memface-a2e", out=tmp_path).short
    stage, steps = memface_a2e._training(found)
    assert stage.recipe.rate == 1e-4 and steps == 100  # 100 frames are one batch of 16 windows of 64
    assert stage.network.config.window == 64


@pytest.mark.parametrize("name", ["memface-no-implicit", "memface-m500", "memface-d32", "memface-explicit-a2e"])
def test_variants_are_trained_by_name(clips, tmp_path, name):
    assert STAGES[name] == "bench.training.memface_a2e"
    stage, _ = memface_a2e._training(memface_a2e.A2ESettings(model=name, out=tmp_path, data=str(clips)))
    config = stage.network.config
    found = {"memface-no-implicit": config.memory == "none", "memface-m500": config.slots == 500}
    found |= {"memface-d32": config.dim == 32, "memface-explicit-a2e": config.memory == "explicit"}
    assert found[name] and stage.name == name


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--adapt", "x"), "--init-from"),
        (("--adapt", "x", "--data", "y", "--init-from", "z"), "--data"),
        (("--size", "reduced"), "size"),
        (("--speech", "deepspeech2"), "deepspeech2"),
        (("--basis", "bfm"), "bfm"),
        (("--recipe", "fast"), "recipe"),
        (("--data", "/no/such/folder"), "/no/such/folder"),
        (("--steps", "0"), "steps"),
    ],
)
def test_wrong_options_are_one_line(clips, tmp_path, monkeypatch, arguments, word):
    own = [(clips / "a", clips, 0.0, 2.0)]
    monkeypatch.setattr(memface_a2e, "_places", lambda to, cache: own if to.data is None else real_places(to, cache))
    done = call("--model", "memface-a2e", "--out", tmp_path / "out", *arguments)
    refused(done, word)


real_places = memface_a2e._places


def test_seconds_of_the_sound_set(tmp_path, monkeypatch):
    monkeypatch.setattr(memface_a2e.sound_set, "ensure", lambda cache: cache / "talk")
    found = []
    for more in ({}, {"end": 6.0}):
        settings = memface_a2e.A2ESettings(model="memface-a2e", out=tmp_path, data="sample", **more)
        found += memface_a2e._places(settings, tmp_path)
    assert [(place.name, start, end) for place, _, start, end in found] == [("talk_a", 0, 7.88), ("talk_a", 0, 6.0)]
    seen = []
    monkeypatch.setattr(memface_a2e, "take", lambda *where: seen.append(where) or 1 / 0)
    settings = memface_a2e.A2ESettings(model="memface-a2e", out=tmp_path, adapt="talk_b", init_from=tmp_path)
    monkeypatch.setattr(memface_a2e.expression_file, "read", lambda *_, **__: None)
    with pytest.raises(ZeroDivisionError):
        memface_a2e._adaptation(settings)
    assert settings.short and seen[0][0].name == "talk_b" and seen[0][2:] == (0.0, 3.8)


def test_options_of_memface_mean_nothing_to_others(tmp_path):
    done = call("--model", "fomm", "--out", tmp_path, "--speech", "hama")
    refused(done, "speech")


def test_settings_may_come_from_a_file(clips, tmp_path):
    (tmp_path / "a.toml").write_text(f'model = "memface-a2e"\ndata = "{clips}"\nwindow = 8\nbatch = 2\nsteps = 1\n')
    done = call("--config", tmp_path / "a.toml", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert load(tmp_path / "out" / "memface-a2e.safetensors").config["network"]["window"] == 8
    (tmp_path / "a.toml").write_text('model = "memface-a2e"\nwindow = 7\n')
    done = call("--config", tmp_path / "a.toml", "--out", tmp_path / "out")
    refused(done, "window")
