"""`tools/sample_cards.py add`: a finished training becomes a checkpoint, a card, a log and a line of the record."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import pytest
from support.tools import tool

from baselines import checkpoints, samples
from baselines.card import HERE, card
from bench.samples.survey import sample
from protocols import files

NAME = "mcnet-memory32"  # the same network as MCNet's under another name


@pytest.fixture(autouse=True)
def places(monkeypatch, tmp_path):
    """Nothing is written into this repository."""
    shutil.copyfile(samples.RECORD, tmp_path / "samples.toml")
    monkeypatch.setattr(samples, "RECORD", tmp_path / "samples.toml")
    monkeypatch.setattr(samples, "EXTRA", str(tmp_path / "extra"))
    monkeypatch.setenv(samples.VARIABLE, str(tmp_path / "samples"))
    monkeypatch.chdir(HERE.parent)
    samples.recipes.cache_clear()
    yield
    samples.recipes.cache_clear()


def finished(folder: Path, **changes: object) -> Path:
    """A folder as `bench train` leaves it."""
    own = checkpoints.load(card("mcnet").sample)
    facts = {**own.facts, "init_from": samples.recipe("fomm").sha256, **changes}
    facts.pop("converted_from_sha256")
    checkpoints.save_states(folder / f"{NAME}.safetensors", NAME, own.states, own.config, facts)
    (folder / "log.csv").write_text("step,total\n20,1\n")
    return folder


def test_a_training_is_taken_in_once(tmp_path, capsys):
    add, folder = tool("sample_cards").add, finished(tmp_path / "training")
    before = tomllib.loads(samples.RECORD.read_text())
    add(folder)
    file = tmp_path / "extra" / f"{NAME}.safetensors"
    written = tomllib.loads(samples.RECORD.read_text())
    assert written == {**before, NAME: {**before[NAME], "sha256": files.sha256(file)}}
    assert sample(NAME).on_record and checkpoints.header(file).facts["converted_from_sha256"]
    text = file.with_suffix(".md").read_text()
    start = card("fomm").sample.relative_to(HERE.parent)
    assert f"`{samples.recipe(NAME).command(start)}`" in text and "generator.dense_motion_network" in text
    assert (tmp_path / "extra" / f"{NAME}_log.csv").read_text() == "step,total\n20,1\n"
    capsys.readouterr()
    add(folder)
    assert capsys.readouterr().out.startswith("skipped")


def test_another_seed_goes_into_the_samples_folder(tmp_path):
    before = samples.RECORD.read_text()
    tool("sample_cards").add(finished(tmp_path / "training", seed=2))
    assert list(samples.other_seeds(NAME)) == [2] and samples.RECORD.read_text() == before
    assert not (tmp_path / "extra").exists()


@pytest.mark.parametrize("changes", [{"steps": 10}, {"init_from": "ab" * 32}, {"learning_rate": 1.0}, {"step": 690}])
def test_what_was_not_trained_by_the_recipe_is_refused(tmp_path, changes):
    with pytest.raises(SystemExit, match=next(iter(changes))):
        tool("sample_cards").add(finished(tmp_path / "training", **changes))
    assert not (tmp_path / "extra").exists()


def test_a_training_that_is_not_finished_is_passed_over(tmp_path, capsys):
    tool("sample_cards").add(tmp_path)
    assert "not finished" in capsys.readouterr().out
