"""Sample checkpoints: the record and the files agree; where one is found; `bench samples list`, `build` and `fetch`."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st
from support.refused import refused

from baselines import checkpoints, listing, registry, samples
from baselines.card import HERE, MODELS, card
from baselines.errors import ModelError
from bench.runtime.errors import UserError
from bench.samples import build as building
from bench.samples.build import build
from bench.samples.fetch import fetch
from bench.samples.survey import chosen, sample, survey
from protocols import files
from reports.paper.tables import published

ABLATIONS = ("mcnet-2", "mcnet-3", "mcnet-4", "mcnet-s7", "ostnet-3", "ostnet-4", "ostnet-5")
BUILT = "mcnet-paper"  # a network that no file is on record of
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path) -> Path:
    """An empty samples folder, whatever this machine's own holds."""
    monkeypatch.setenv(samples.VARIABLE, str(tmp_path / "samples"))
    return tmp_path / "samples"


@pytest.fixture
def recipes(monkeypatch) -> dict[str, samples.Recipe]:
    """The record, to be changed, with a network that has a recipe and no file."""
    known = {**samples.recipes(), BUILT: samples.Recipe(BUILT, 1, "fomm")}
    monkeypatch.setattr(samples, "recipes", lambda: known)
    return known


def test_the_record_and_the_files_agree():
    known = samples.recipes()
    assert all(name in MODELS and card(name).trainee for name in known)
    order = list(known)
    assert all(order.index(recipe.start) < order.index(name) for name, recipe in known.items() if recipe.start)
    shipped = [file for file in HERE.glob("*/**/*.safetensors") if "memface" not in file.parts]
    of_name = {checkpoints.header(file).model: file for file in shipped}
    assert len(of_name) == len(shipped) and all(card(name).sample == file for name, file in of_name.items())
    recorded = {name: recipe.sha256 for name, recipe in known.items() if recipe.sha256}
    assert {name: files.sha256(file) for name, file in of_name.items()} == recorded


def test_every_row_of_the_ablations_that_has_a_network_has_a_recipe():
    rows = {row.model for table in published(ABLATIONS) for row in table.rows}
    assert rows <= set(samples.recipes())


@pytest.mark.parametrize("name", [name for name, recipe in samples.recipes().items() if recipe.sha256])
def test_cards_have_the_recorded_command_and_the_files_their_facts(name):
    recipe, file = samples.recipe(name), card(name).sample
    start = card(recipe.start).sample.relative_to(HERE.parent) if recipe.start else None
    assert f"`{recipe.command(start)}`" in file.with_suffix(".md").read_text("utf-8")
    facts = checkpoints.header(file).facts
    assert (facts["steps"], facts["seed"]) == (recipe.steps, samples.SEED)
    assert facts["learning_rate"] == (recipe.learning_rate or samples.RATE)
    assert bool(facts["init_from"]) == bool(recipe.start)
    assert (file.parent / f"{file.stem}_log.csv").is_file()


@given(there=st.sets(st.sampled_from(range(3))))
def test_the_wheel_goes_before_the_clone_and_the_clone_before_the_samples_folder(there, tmp_path_factory):
    root = tmp_path_factory.mktemp("places")
    shipped = root / "own" / "sample.safetensors"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(samples.VARIABLE, str(root / "samples"))
        places = [shipped, root / "own" / "extra" / "a+b.safetensors", root / "samples" / "a+b.safetensors"]
        for place in there:
            places[place].parent.mkdir(parents=True, exist_ok=True)
            places[place].touch()
        assert samples.locate(shipped, "a+b") == places[min(there, default=0)]


def test_other_seeds_are_told_by_their_names(folder):
    folder.mkdir()
    for name in ("mcnet.seed3", "mcnet.seed12", "mcnet", "mcnet.seedling", "mcnet-baseline.seed2", "mcnet.seed2_log"):
        (folder / f"{name}.safetensors").touch()
    assert list(samples.other_seeds("mcnet")) == [3, 12]
    assert samples.other_seeds("ostnet") == {}
    assert [(one.name, one.seed) for one in survey(["mcnet"])] == [("mcnet", 1), ("mcnet", 3), ("mcnet", 12)]


def test_list_says_where_each_is_and_how_it_is_trained(bench, recipes, folder):
    code, text = bench("samples", "list", "mcnet", BUILT)
    assert code == 0 and "mcnet, seed 1: package" in text and samples.recipe("mcnet").sha256 in text
    assert f"{BUILT}, seed 1: nowhere" in text and f"python -m bench samples build {BUILT}" in text
    assert "train --model mcnet --data sample --steps 700 --seed 1" in text and str(folder) in text
    wrong = bench("samples", "list", "mcnett")
    assert (wrong[0], wrong.error) == (2, "unknown-sample") and "mcnet" in wrong[1]
    wrong = bench("samples", "list", "WRONG")
    assert (wrong[0], wrong.error) == (2, "unknown-sample") and "samples list" in wrong[1] and "ostnet" not in wrong[1]


@pytest.mark.parametrize("content", [b"", b"no checkpoint", None])
def test_a_damaged_file_is_not_called_built(bench, from_folder, folder, content):
    folder.mkdir()
    file = folder / f"{BUILT}.safetensors"
    file.write_bytes(card("fomm").sample.read_bytes()[:-1] if content is None else content)
    found = sample(BUILT)
    assert found.damaged and found.on_record is False and samples.local_state(file, BUILT) == "damaged"
    code, text = bench("samples", "list", BUILT)
    assert code == 0 and f"{found.status}: {file}" in text and "built here" not in text and "0 of 1" in text
    (listed,) = [info for info in listing.names() if info.name == BUILT]
    assert listed.weights.endswith("damaged")
    code, text = bench("doctor")
    assert code == 0 and str(file) in text
    refusal = bench("samples", "build", BUILT)
    assert (refusal[0], refusal.error) == (2, "unreadable-checkpoint") and str(file) in refusal[1]
    assert bench("samples", "fetch", BUILT, "--from", from_folder)[0] == 0 and sample(BUILT).on_record


def test_a_network_without_a_recipe_is_refused_with_its_reason(bench):
    for name, why in (("wav2lip", "not trained here"), (BUILT, f"train --model {BUILT}")):
        found = bench("samples", "build", name)
        assert (found[0], found.error) == (2, "unknown-sample") and why in found[1]


def test_names_are_chosen_in_one_way():
    assert chosen(["mcnet", "fomm", "mcnet"], False, []) == ["mcnet", "fomm"]
    assert chosen([], False, ["ostnet-4"]) == ["ostnet", "ostnet-no-distance"]
    assert chosen([], True, []) == list(samples.recipes())
    for wrong in (([], False, []), (["mcnet"], True, []), (["mcnet"], False, ["ostnet-4"])):
        with refused(UserError, "missing-option"):
            chosen(*wrong)
    with refused(UserError, "unknown-sample", "memface-4"):
        chosen([], False, ["memface-4"])
    with refused(ModelError, "unknown-sample", "mcnet-memory16"):
        chosen(["mcnet-memory17"], False, [])


@pytest.fixture
def from_folder(tmp_path, recipes) -> Path:
    """A folder with a file that is on record."""
    source = tmp_path / "elsewhere"
    source.mkdir()
    shutil.copyfile(card("fomm").sample, source / f"{BUILT}.safetensors")
    recipes[BUILT] = replace(recipes[BUILT], sha256=samples.recipe("fomm").sha256)
    return source


def test_fetch_copies_what_is_on_record(bench, from_folder, folder):
    code, text = bench("samples", "fetch", BUILT, "mcnet", "--from", from_folder)
    found = sample(BUILT)
    assert code == 0 and f"{found.file}: {found.status}" in text
    assert (found.place, found.on_record, found.file) == ("samples folder", True, folder / f"{BUILT}.safetensors")
    assert list(folder.iterdir()) == [found.file]


def test_fetch_finds_files_in_a_clone(from_folder, folder):
    inside = from_folder / "baselines" / "mcnet" / "extra"
    inside.mkdir(parents=True)
    (from_folder / f"{BUILT}.safetensors").rename(inside / f"{BUILT}.safetensors")
    found, missing = fetch([BUILT, "tpsm"], from_folder)
    assert [one.name for one in found] == ["tpsm", BUILT] and not missing


def test_fetch_refuses_damaged_and_unknown_files_in_one_line(bench, from_folder, recipes, folder):
    file = from_folder / f"{BUILT}.safetensors"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    ended = bench("samples", "fetch", BUILT, "--from", from_folder)
    assert ended[0] == 2 and ended.error == "changed-file" and str(file) in ended[1]
    assert not sample(BUILT).exists and not list(folder.glob("*"))
    recipes[BUILT] = replace(recipes[BUILT], sha256="")
    assert bench("samples", "fetch", BUILT, "--from", from_folder).error == "unknown-sample"
    file.unlink()
    assert bench("samples", "fetch", BUILT, "--from", from_folder).error == "missing-file"
    assert bench("samples", "fetch", "--all", "--from", from_folder / "nowhere").error == "missing-folder"
    code, text = bench("samples", "fetch", BUILT, "mcnet", "--from", from_folder)
    assert code == 1 and BUILT in text  # one of two that were named is not there


def trained_as(model: str):
    """A `train` that writes the checkpoint of another model in place of training one."""
    given = []

    def train(file, settings):
        given.append(settings)
        out = settings["out"]
        out.mkdir(parents=True)
        (out / "log.csv").write_text("step\n")
        own = checkpoints.load(card(model).sample)
        path = out / f"{settings['model']}.safetensors"
        checkpoints.save_states(path, settings["model"], own.states, own.config, own.facts)
        return path

    return train, given


def test_build_trains_by_the_record_and_says_what_the_file_is(bench, monkeypatch, recipes, folder):
    train, given = trained_as("mcnet")
    monkeypatch.setattr(building, "train", train)
    code, text = bench("samples", "build", BUILT, "--seeds", 2)
    for seed in (1, 2):
        found = sample(BUILT, seed)
        assert (found.on_record, found.damaged) == (False, False) and f"{found.file}: {found.status}" in text
        assert files.short_hash(found.file) in found.status and code == 0, text
    known = {"model": BUILT, "data": "sample", "steps": 1, "device": "cpu", "threads": 1}
    assert [settings["seed"] for settings in given] == [1, 2]
    assert all(settings.items() >= {**known, "init_from": card("fomm").sample}.items() for settings in given)
    names = {BUILT, f"{BUILT}.seed2"}
    assert {file.name for file in folder.glob("*.*")} == {
        f"{n}{end}" for n in names for end in (".safetensors", "_log.csv")
    }
    assert registry.load(BUILT, weights=None, device=CPU).describe()["weights_status"] == "sample"
    (listed,) = [info for info in listing.names() if info.name == BUILT]
    assert listed.weights.endswith(samples.local_state(sample(BUILT).file, BUILT)) and "built" in listed.weights
    code, text = bench("samples", "build", BUILT, "--seeds", 2)
    assert code == 0 and len(given) == 2 and text.count("there ") == 2  # not trained again


def test_two_processes_do_not_train_the_same(bench, monkeypatch, recipes, folder):
    train, given = trained_as("mcnet")
    monkeypatch.setattr(building, "train", train)
    (folder / "trainings").mkdir(parents=True)
    with FileLock(folder / "trainings" / f"{BUILT}.seed1.lock"):  # as another process holds it
        found = bench("samples", "build", BUILT)
    assert (found[0], found.error) == (2, "locked") and not given
    assert bench("samples", "build", BUILT)[0] == 0 and len(given) == 1


def test_what_is_built_is_not_taken_for_the_file_on_record(bench, monkeypatch, recipes):
    recipes[BUILT] = replace(recipes[BUILT], sha256="ab" * 32)
    monkeypatch.setattr(building, "train", trained_as("mcnet")[0])
    code, text = bench("samples", "build", BUILT)
    assert code == 0 and "abababababab" in text and sample(BUILT).status in text
    assert sample(BUILT).on_record is False and not sample(BUILT).damaged
    assert "samples list" in registry.load(BUILT, weights=None, device=CPU).describe()["weights_note"]


def test_a_missing_start_is_trained_first(bench, monkeypatch, recipes):
    train, given = trained_as("mcnet")
    monkeypatch.setattr(building, "train", train)
    recipes["mcnet-pe10"] = samples.Recipe("mcnet-pe10", 1, BUILT)
    own = building.sample
    hidden_names = {"mcnet-pe10"}  # as if it lay nowhere, should it be in this clone
    hidden = lambda name, seed=1: replace(own(name, seed), **({"on_record": None} if name in hidden_names else {}))  # noqa: E731
    monkeypatch.setattr(building, "sample", hidden)
    build(["mcnet-pe10"], 1, lambda text: None)
    assert [settings["model"] for settings in given] == [BUILT, "mcnet-pe10"]
    assert given[1]["init_from"] == sample(BUILT).file


def test_nothing_is_built_into_what_is_no_folder(bench, folder, recipes):
    folder.write_text("")
    ended = bench("samples", "build", BUILT)
    assert ended[0] == 2 and ended.error == "unwritable-file" and str(folder) in ended[1]


def test_another_folder_is_named_for_other_commands(bench, monkeypatch, recipes, tmp_path):
    monkeypatch.setattr(building, "train", trained_as("mcnet")[0])
    code, text = bench("samples", "build", BUILT, "--samples", tmp_path / "mine")
    assert code == 0 and f"{samples.VARIABLE}={tmp_path / 'mine'}" in text
    assert (tmp_path / "mine" / f"{BUILT}.safetensors").is_file()


@pytest.mark.slow
def test_a_real_training_is_built_and_runs(bench, recipes, sample_set):
    recipes[BUILT] = replace(recipes[BUILT], steps=2)
    code, text = bench("samples", "build", BUILT)
    assert code == 0, text
    facts = registry.load(BUILT, weights=None, device=CPU).describe()
    assert facts["training"]["steps"] == 2 and facts["started_from"].split()[-1] == "fomm"
    assert facts["weights_read"] and facts["sample_weights"]
