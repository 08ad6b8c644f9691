"""An option that nothing uses is a mistake, or something is said: never ignored."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from bench.runtime import config
from bench.runtime.errors import UserError
from protocols import sample_lists
from protocols.datasets import Hdtf

RUN = ["run", "--protocol", "vox1-sameid", "--models", "copy-source", "--metrics", "l1", "--no-bounds"]
SAMPLE = ["--data", "sample"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([*RUN, *SAMPLE, "--reading", "two-draws"], "has no reading 'two-draws'"),
        (["run", "--table", "mcnet-1a", *SAMPLE, "--dry-run", "--reading", "two-draws"], "no protocol here has it"),
        (["run", "--table", "ostnet-2", *SAMPLE, "--dry-run", "--reading", "x"], "known: two-draws"),
        (["run", "--table", "mcnet-1a", "--models", "fomm", "--untrained", *SAMPLE], "NAME?weights=untrained"),
        (["run", "--table", "mcnet-1a", "--size", "512", *SAMPLE], "--size is for custom data"),
        ([*RUN, *SAMPLE, "--size", "512"], "is about frames of 256 pixels"),
        ([*RUN, *SAMPLE, "--detector-timeout", "5", "--workers", "0"], "--workers 0 has none"),
        ([*RUN, *SAMPLE, "--ray-workers", "2"], "belong to --executor ray"),
        (["list", "metrics", "--data", "vox1=x"], "belongs to `list protocols`"),
        (["list", "protocols", "--weights", "."], "belongs to `list models`"),
        (["pairs", "make", "--data", "mine=mine", "--split", "train", "--out", "x"], "has no splits"),
        (["pairs", "make", "--data", "sample", "--out", "x"], "the sample set's lists are built in"),
        (["pairs", "survey", "frozen:vox1-sameid", "--data", "hdtf=mine"], "nothing uses it"),
        (["pairs", "import", "list.csv", "--data", "mine=mine", "--data", "sample", "--out", "x"], "nothing uses it"),
        (["inspect", "--model", "fomm", "--out", "x", "--source", "a", "--driving", "b", *SAMPLE], "leave them out"),
        (["inspect", "--models", "fomm", "--out", "x", "--limit", "2"], "--limit belongs to --run"),
        (["inspect", "--run", "x", "--seed", "2"], "--run says which frames"),
        (["train", "--model", "fomm", "--out", "x", "--protocol", "vox1-sameid"], "protocol: needs evaluate_every"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)  # fmt: skip
def test_mistakes(bench, tmp_path, arguments, words):
    (tmp_path / "mine" / "clip").mkdir(parents=True)
    for number in range(2):
        Image.new("RGB", (8, 8)).save(tmp_path / "mine" / "clip" / f"{number}.png")
    Path("list.csv").write_text("source,driving\nmine/clip/0,mine/clip/1\n")
    code, text = bench(*arguments)
    assert code == 2 and words in text and "Traceback" not in text, text


def test_a_reading_of_a_stretched_list(bench, sample_set):
    sample_lists.load("diffscale").write(Path("list.csv"))
    run = ["run", "--protocol", "vox1-diffscale", *RUN[3:], "--pairs", "list.csv", "--limit", "1"]
    code, text = bench(*run, "--reading", "two-draws")
    assert code == 2 and "is stretched already" in text
    code, text = bench(*run)
    assert code == 0, text


def test_fewer_pairs_than_the_limit_are_said(bench, sample_set):
    code, text = bench(*RUN, *SAMPLE, "--limit", 1000)
    assert code == 0 and "117 pairs, fewer than the 1000 that were asked for" in text


def test_an_evaluation_during_a_training_is_checked_before_it(bench, tmp_path):
    settings = "model: fomm\nout: trained\nevaluate_every: 1000\nevaluation:\n  data: [{}]\n"
    for data, words in (("mine=.", "configured: mine=."), ("vox1=/nowhere", "not a folder")):
        Path("train.yaml").write_text(settings.format(data))
        code, text = bench("train", "--config", "train.yaml")
        assert code == 2 and words in text, text
        assert not (tmp_path / "trained").exists()


@pytest.mark.parametrize("name", ["DATA", "DATA_", "WEIGTHS", "VOX1", "Data_vox1"])
def test_misspelled_variables_of_the_environment(monkeypatch, name):
    monkeypatch.setenv(f"{config.PREFIX}{name}", "x")
    with pytest.raises(UserError, match="nothing reads it"):
        config.load()


def test_misspelled_entries_of_the_settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("bench.toml").write_text('[weights]\nfolder = "x"\n')
    with pytest.raises(UserError, match="unknown entry folder"):
        config.load()


def test_the_timeout_of_commands_is_the_one_that_is_read():
    from baselines.external.command import TIMEOUT

    assert TIMEOUT == config.TIMEOUT_VARIABLE


def test_splits_that_are_there(tmp_path):
    (tmp_path / "RD_Radio1_000.mp4").mkdir()
    assert Hdtf("hdtf", tmp_path).splits() == []
    (tmp_path / "test").mkdir()
    assert Hdtf("hdtf", tmp_path).splits() == ["test"]
