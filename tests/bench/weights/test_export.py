"""The official layout and back."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from support.refused import refused
from support.small_networks import OFFICIAL, batch, official_content, place, small  # noqa: E402

from baselines import checkpoints, registry
from baselines.card import card
from baselines.predictor import ModelError
from baselines.training.loop import train
from baselines.training.settings import TrainSettings
from baselines.training.trainees import trainee
from bench.runtime.errors import UserError
from bench.weights.export import export

GOLDEN = Path(__file__).parents[2] / "baselines" / "golden"
CPU = torch.device("cpu")


def frame(model: str, file: Path) -> torch.Tensor:
    return registry.load(f"{model}?weights={file}", weights=None, device=CPU).predict(batch(1), "absolute")


@pytest.mark.parametrize("model", OFFICIAL)
def test_there_and_back_is_the_same_network(model: str, tmp_path: Path) -> None:
    config, network = small(model)
    own, official = tmp_path / "own.safetensors", tmp_path / "official" / "model.pth.tar"
    checkpoints.save_sample(own, model, network, config, {"steps": 3})
    written = export(own, official)
    content = torch.load(official, weights_only=True)
    names = {name: name for name in (*card(model).networks, *card(model).optional_networks)}
    names |= {ours: theirs for theirs, ours in card(model).renamed.items()}
    inside = {name for name, part in network.named_children() if name not in card(model).companions}
    assert set(content) == {names[name] for name in inside} | {checkpoints.OWN}
    beside = {file for name, file in card(model).companions.items() if getattr(network, name, None) is not None}
    assert {file.name for file in written} == {"model.pth.tar", "model.pth.tar.json", *beside}
    back = tmp_path / "back.safetensors"
    assert export(official, back, model) == [back]
    assert checkpoints.load(back).model == model
    before, after = load_file(own), load_file(back)
    assert before.keys() == after.keys() and all(torch.equal(before[key], after[key]) for key in before)
    assert torch.allclose(frame(model, own), frame(model, official), atol=5e-4)  # kernels round by alignment


def test_an_official_file_needs_no_name_where_its_keys_tell(tmp_path: Path) -> None:
    config, network = small("tpsm")
    file = place(tmp_path, "tpsm", official_content(network), config)
    export(file, tmp_path / "a.safetensors")
    assert checkpoints.load(tmp_path / "a.safetensors").model == "tpsm"
    facts = checkpoints.load(tmp_path / "a.safetensors").facts
    assert facts == {"converted_from_sha256": hashlib.sha256(file.read_bytes()).hexdigest()}


def test_files_of_others_are_not_overwritten(tmp_path: Path) -> None:
    config, network = small("dagan")
    checkpoints.save_sample(tmp_path / "a.safetensors", "dagan", network, config, {})
    (tmp_path / "depth.pth").write_text("somebody's")
    with pytest.raises(UserError, match="depth.pth: exists"):
        export(tmp_path / "a.safetensors", tmp_path / "b.pth.tar")
    assert not (tmp_path / "b.pth.tar").exists()


def test_mistakes(tmp_path: Path) -> None:
    config, network = small("fomm")
    own = tmp_path / "own.safetensors"
    checkpoints.save_sample(own, "fomm", network, config, {})
    for source, target, model, words in (
        (tmp_path / "none.pth", tmp_path / "a.pth", None, "no such file"),
        (own, own, None, "overwrite"),
        (own, tmp_path / "a.txt", None, "must end in"),
        (own, tmp_path / "a.pth", "nobody", "no network of that name"),
    ):
        with pytest.raises(UserError, match=words):
            export(source, target, model)
    with pytest.raises(ModelError):
        export(own, tmp_path / "a.pth", "tpsm")
    config, network = small("ostnet")
    checkpoints.save_sample(tmp_path / "ostnet.safetensors", "ostnet", network, config, {})
    with refused(UserError, "no-network"):
        export(tmp_path / "ostnet.safetensors", tmp_path / "a.pth")


def layout(model: str) -> dict[str, dict[str, list[int]]]:
    """Keys and shapes of the authors' networks, by their own code."""
    return json.loads((GOLDEN / model / "spec.json").read_text("utf-8"))["networks"]


@pytest.mark.filterwarnings("ignore:for (weight|bias)")  # of VGG's, which stays on "meta" too
@pytest.mark.parametrize("model", [name for name in OFFICIAL if "spade" not in name and card(name).trainee])
def test_what_is_trained_at_the_published_size_has_the_official_keys_and_shapes(model: str, tmp_path: Path) -> None:
    with torch.device("meta"):
        settings = TrainSettings(model=model, data=tmp_path, out=tmp_path, size="published")
        networks = trainee(settings).networks
    expected = layout(model)
    kept = {name: network for name, network in networks.items() if name in card(model).parts}
    assert set(card(model).networks) <= set(kept) <= set(expected)
    for name, network in kept.items():
        shapes = {key: list(value.shape) for key, value in network.state_dict().items()}
        assert shapes == expected[name], name


@pytest.mark.slow
def test_a_trained_network_of_the_published_size_is_exported_in_the_official_layout(tmp_path: Path) -> None:
    folder = tmp_path / "clips" / "a"
    folder.mkdir(parents=True)
    for i in range(2):
        pixels = np.random.default_rng(i).integers(0, 255, (256, 256, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
    settings = TrainSettings(
        model="fomm",
        data=folder.parent,
        out=tmp_path / "out",
        size="published",
        steps=1,
        stages=((256, 1.0, 1),),
        bf16=False,
    )
    export(train(settings), tmp_path / "vox-cpk.pth.tar")
    content = torch.load(tmp_path / "vox-cpk.pth.tar", weights_only=True)
    assert content.pop(checkpoints.OWN)["model"] == "fomm"  # what it is stays in it
    shapes = {name: {key: list(value.shape) for key, value in state.items()} for name, state in content.items()}
    assert shapes == layout("fomm")
    (tmp_path / "vox-cpk.pth.tar.json").unlink()  # the official code brings its own configuration
    assert frame("fomm", tmp_path / "vox-cpk.pth.tar").shape == (1, 3, 256, 256)
