"""Cards: what is written in every ``model.json`` exists, and what is wrong with one is one line."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
import torch

from baselines import card as cards
from baselines.card import MODELS, card, named, systems
from baselines.errors import ModelError
from baselines.loaded_network import LoadedNetwork
from baselines.network_predictor import NetworkPredictor
from baselines.registry import network_class
from baselines.spec import ModelSpec
from baselines.talking import TalkingPredictor
from baselines.training.adversarial import Form
from baselines.training.trainee import Trainee

GOOD: dict[str, Any] = {
    "title": "Tiny",
    "summary": "A network",
    "year": 2024,
    "predictor": "tiny:Predictor",
    "motion_modes": ["absolute"],
    "files": [],
    "repository": "",
    "license": "",
    "networks": ["generator"],
    "optional_networks": [],
    "marks": [],
    "config": {"width": 4, "deep": {"a": 1, "b": 2}},
    "stages": [[64, 0.5, 8], [256, 0.5, 2]],
    "variants": {"tiny-b": {"title": "B", "summary": "Another", "config": {"deep": {"b": 3}}}},
}


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Write a ``model.json``, the only one that there is then."""
    (tmp_path / "tiny").mkdir()

    def forget() -> None:
        for read in (cards.card, cards._listed, cards._raw):
            read.cache_clear()

    def write(content: Any) -> Path:
        file = tmp_path / "tiny" / "model.json"
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        forget()
        return file

    monkeypatch.setattr(cards, "_folders", lambda: [tmp_path / "tiny"])
    yield write
    forget()


@pytest.mark.parametrize("name", MODELS)
def test_everything_that_a_card_names_is_there(name: str) -> None:
    about = card(name)
    assert ModelSpec.parse(name) == ModelSpec("model", name)
    driven_by_frames = about.driven_by == "frames"
    assert issubclass(named(about.predictor), NetworkPredictor if driven_by_frames else TalkingPredictor)
    assert issubclass(named(about.predictor), LoadedNetwork) and named(about.predictor).driven_by == about.driven_by
    assert (about.trainee is None) != driven_by_frames
    assert about.trainee is None or (issubclass(named(about.trainee), Trainee) and about.stages)
    assert about.discriminator is None or isinstance(named(about.discriminator), Form)
    if about.parity:
        adapter = importlib.import_module(about.parity)
        assert callable(adapter.build) and callable(adapter.compute)
    options = {"plain": "true"} if driven_by_frames else {}
    network = network_class(name)(about, None, torch.device("meta"), options=options).network
    if driven_by_frames:
        there = all(attrgetter(path)(network) is not None for path in about.probes.values())
        assert about.probes and there == (name != "mcnet-baseline")  # which has no memory
    assert set(about.networks) <= dict(network.named_children()).keys()
    assert all(network.get_submodule(path) is not None for path in about.exact)


def test_models_are_in_the_order_of_their_years() -> None:
    years = [card(name).year for name in systems()]
    assert years == sorted(years) and len(systems()) == len(list(cards.HERE.glob("*/model.json")))


def test_cards_are_read_without_torch() -> None:
    program = "import sys\nfrom baselines.card import systems\nprint(len(systems()), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(len(systems())), "False"]


def test_a_variant_has_what_it_does_not_change(tiny) -> None:
    tiny(GOOD | {"files": ["tiny.pth"], "parity": "tiny.parity"})
    base, variant = card("tiny"), card("tiny-b")
    assert list(MODELS) == ["tiny", "tiny-b"] and systems() == ["tiny"]
    assert (variant.of, variant.stages, variant.predictor) == ("tiny", base.stages, base.predictor)
    assert variant.config == {"width": 4, "deep": {"a": 1, "b": 3}} and variant.changes == {"deep": {"b": 3}}
    assert (variant.files, variant.parity) == ((), None)
    assert (base.sample.name, variant.sample.name) == ("sample.safetensors", "tiny-b.safetensors")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"title": ""}, "title"),
        ({"title": None}, "title"),
        ({"year": "2024"}, "year"),
        ({"predictor": "tiny.Predictor"}, "predictor"),
        ({"trainee": "tiny"}, "trainee"),
        ({"motion_modes": ["absolut"]}, "motion_modes.0"),
        ({"motion_modes": []}, "motion_modes"),
        ({"networks": "generator"}, "networks"),
        ({"stages": [[64, 0.5, 8], [256, 0.4, 2]]}, "stages"),
        ({"stages": [[64, 1.0]]}, "stages.0"),
        ({"stages": [[0, 1.0, 2]]}, "stages"),
        ({"probes": {"sound": "x"}}, "probes"),
        ({"config": []}, "config"),
        ({"color": "red"}, "color"),
        ({"name": "other"}, "name"),
        ({"changes": {}}, "changes"),
        ({"of": "fomm"}, "of"),
        ({"variants": []}, "variants"),
    ],
)
def test_a_wrong_file_is_one_line_that_names_the_field(change: dict[str, Any], place: str, tiny) -> None:
    refused(tiny(GOOD | change), "tiny", place)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"of": "nobody"}, "of"),
        ({"of": "tiny-b"}, "of"),
        ({"of": ["tiny"]}, "of"),
        ({"config": "wide"}, "config"),
        ({"titel": "B"}, "titel"),
        ({"folder": "/"}, "folder"),
        ({"marks": 3}, "marks"),
    ],
)
def test_so_is_a_wrong_variant(change: dict[str, Any], place: str, tiny) -> None:
    file = tiny(GOOD | {"variants": {"tiny-b": GOOD["variants"]["tiny-b"] | change}})
    assert card("tiny").title == "Tiny"
    refused(file, "tiny-b", f"variants.tiny-b.{place}")


@pytest.mark.parametrize("content", ["", "[1]", '{"year": 2024', '{"year": 2024, "variants": {"a?b": {}}}'])
def test_so_is_what_is_no_card_at_all(content: str, tiny) -> None:
    refused(tiny(content), "tiny", "")


def test_so_is_a_field_that_is_missing(tiny) -> None:
    refused(tiny({key: value for key, value in GOOD.items() if key != "marks"}), "tiny", "marks")


def test_so_is_a_name_that_is_taken(tiny) -> None:
    refused(tiny(GOOD | {"variants": {"tiny": {}}}), "tiny", "tiny")


def refused(file: Path, name: str, place: str) -> None:
    with pytest.raises(ModelError) as caught:
        card(name)
    message = str(caught.value)
    assert caught.value.code == "bad-model-card"
    assert message.startswith(f"{file}: {place}") and "\n" not in message
