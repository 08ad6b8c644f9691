"""An option that nothing uses is a mistake, or something is said: never ignored."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from support.refused import refused

from bench.runtime import config
from bench.runtime.errors import UserError
from protocols import sample_lists
from protocols.datasets import Hdtf

RUN = ["run", "--protocol", "vox1-sameid", "--models", "copy-source", "--metrics", "l1", "--no-bounds"]
SAMPLE = ["--data", "sample"]


@pytest.mark.parametrize(
    ("arguments", "error", "value"),
    [
        ([*RUN, *SAMPLE, "--reading", "two-draws"], "unknown-reading", "'two-draws'"),
        (
            ["run", "--table", "mcnet-1a", *SAMPLE, "--dry-run", "--reading", "two-draws"],
            "unknown-reading",
            "--reading two-draws",
        ),
        (["run", "--table", "ostnet-2", *SAMPLE, "--dry-run", "--reading", "x"], "unknown-reading", "two-draws"),
        (
            ["run", "--table", "mcnet-1a", "--models", "fomm", "--untrained", *SAMPLE],
            "conflicting-options",
            "NAME?weights=untrained",
        ),
        (["run", "--table", "mcnet-1a", "--size", "512", *SAMPLE], "conflicting-options", "--size"),
        ([*RUN, *SAMPLE, "--size", "512"], "unused-option", "256"),
        ([*RUN, *SAMPLE, "--detector-timeout", "5", "--workers", "0"], "unused-option", "--workers 0"),
        ([*RUN, *SAMPLE, "--ray-workers", "2"], "unused-option", "--ray-workers"),
        (["list", "metrics", "--data", "vox1=x"], "unused-option", "--data"),
        (["list", "protocols", "--weights", "."], "unused-option", "--weights"),
        (["pairs", "make", "--data", "mine=mine", "--split", "train", "--out", "x"], "unknown-choice", "--split train"),
        (["pairs", "make", "--data", "sample", "--out", "x"], "unused-option", "--data sample"),
        (["pairs", "survey", "frozen:vox1-sameid", "--data", "hdtf=mine"], "unused-option", "--data hdtf"),
        (
            ["pairs", "import", "list.csv", "--data", "mine=mine", "--data", "sample", "--out", "x"],
            "unused-option",
            "--data sample",
        ),
        (
            ["inspect", "--model", "fomm", "--out", "x", "--source", "a", "--driving", "b", *SAMPLE],
            "unused-option",
            "--data",
        ),
        (["inspect", "--models", "fomm", "--out", "x", "--limit", "2"], "unused-option", "--limit"),
        (["inspect", "--run", "x", "--seed", "2"], "unused-option", "--run"),
        (["train", "--model", "fomm", "--out", "x", "--protocol", "vox1-sameid"], "missing-option", "evaluate_every"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)
def test_mistakes(bench, tmp_path, arguments, error, value):
    (tmp_path / "mine" / "clip").mkdir(parents=True)
    for number in range(2):
        Image.new("RGB", (8, 8)).save(tmp_path / "mine" / "clip" / f"{number}.png")
    Path("list.csv").write_text("source,driving\nmine/clip/0,mine/clip/1\n")
    ended = bench(*arguments)
    code, text = ended
    assert (code, ended.error) == (2, error) and value in text and "Traceback" not in text, text


def test_a_reading_of_a_stretched_list(bench, sample_set):
    sample_lists.load("diffscale").write(Path("list.csv"))
    run = ["run", "--protocol", "vox1-diffscale", *RUN[3:], "--pairs", "list.csv", "--limit", "1"]
    ended = bench(*run, "--reading", "two-draws")
    assert (ended[0], ended.error) == (2, "unused-option")
    code, text = bench(*run)
    assert code == 0, text


def test_fewer_pairs_than_the_limit_are_said(bench, sample_set):
    code, text = bench(*RUN, *SAMPLE, "--limit", 1000)
    assert code == 0 and "117 pairs" in text and "1000" in text


def test_an_evaluation_during_a_training_is_checked_before_it(bench, tmp_path):
    settings = "model: fomm\nout: trained\nevaluate_every: 1000\nevaluation:\n  data: [{}]\n"
    for data, error in (("mine=.", "missing-data"), ("vox1=/nowhere", "missing-folder")):
        Path("train.yaml").write_text(settings.format(data))
        ended = bench("train", "--config", "train.yaml")
        assert (ended[0], ended.error) == (2, error), ended
        assert not (tmp_path / "trained").exists()


@pytest.mark.parametrize("name", ["DATA", "DATA_", "WEIGTHS", "VOX1", "Data_vox1"])
def test_misspelled_variables_of_the_environment(monkeypatch, name):
    monkeypatch.setenv(f"{config.PREFIX}{name}", "x")
    with refused(UserError, "unused-variable"):
        config.load()


def test_misspelled_entries_of_the_settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("bench.toml").write_text('[weights]\nfolder = "x"\n')
    with refused(UserError, "unknown-key", "folder"):
        config.load()


def test_the_timeout_of_commands_is_the_one_that_is_read():
    from baselines.external.process import TIMEOUT

    assert TIMEOUT == config.TIMEOUT_VARIABLE


def test_splits_that_are_there(tmp_path):
    (tmp_path / "RD_Radio1_000.mp4").mkdir()
    assert Hdtf("hdtf", tmp_path).splits() == []
    (tmp_path / "test").mkdir()
    assert Hdtf("hdtf", tmp_path).splits() == ["test"]
