"""Checkpoints that something wraps: taken off, said in the manifest, refused where two could be meant."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from support.refused import refused
from support.small_networks import ALL, CLASSES, CONFIGS, official_content, small

from baselines import checkpoints, layouts, registry
from baselines.errors import ModelError

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def fomm():
    return small("fomm")


def nested(network, prefix=""):
    return {name: {prefix + k: v for k, v in part.state_dict().items()} for name, part in network.named_children()}


def flat(network, prefix=""):
    return {prefix + key: value for key, value in network.state_dict().items()}


def other(state):
    """The same tensors with other numbers."""
    return {
        name: other(value) if isinstance(value, dict) else value + 1 if value.is_floating_point() else value
        for name, value in state.items()
    }


WRAPPED = {
    "as published": (lambda n: nested(n), []),
    "data parallel": (lambda n: nested(n, "module."), ["removed prefix module."]),
    "compiled": (lambda n: nested(n, "_orig_mod."), ["removed prefix _orig_mod."]),
    "both": (lambda n: nested(n, "module._orig_mod."), ["removed prefix module.", "removed prefix _orig_mod."]),
    "Lightning": (
        lambda n: {"state_dict": flat(n, "model."), "epoch": 3, "hyper_parameters": argparse.Namespace(lr=1)},
        ["unwrapped state_dict.model", "skipped epoch, hyper_parameters (argparse.Namespace)"],
    ),
    "Lightning, compiled": (
        lambda n: {"state_dict": flat(n, "model._orig_mod.")},
        ["unwrapped state_dict.model"],
    ),
    "model": (lambda n: {"model": nested(n), "step": np.int64(3)}, ["unwrapped model", "skipped step (numpy"]),
    "model, flat": (lambda n: {"model": flat(n, "module.")}, ["unwrapped model"]),
    "ema": (lambda n: {"ema": nested(n)}, ["unwrapped ema"]),
    "one state dict": (lambda n: flat(n), []),
    "one state dict, data parallel": (lambda n: flat(n, "module."), []),
    "a key in every network": (
        lambda n: {name: {"state_dict": state, "step": 1} for name, state in nested(n).items()},
        ["unwrapped state_dict of generator", "unwrapped state_dict of kp_detector"],
    ),
    "an owner in every network": (lambda n: nested(n, "net."), ["removed prefix net."]),
    "number beside the tensors": (
        lambda n: {name: {**state, "best": np.float64(1)} for name, state in nested(n).items()},
        [],
    ),
    "optimizers": (
        lambda n: official_content(n, ""),
        ["skipped discriminator, optimizer_generator, epoch"],
    ),
}


FLAT = ["one state dict", "one state dict, data parallel"]


@pytest.mark.parametrize(
    ("form", "kind"), [*((form, "torch") for form in WRAPPED), *((form, "safetensors") for form in FLAT)]
)
def test_what_wraps_is_taken_off_and_the_manifest_says_so(form, kind, fomm, tmp_path):
    config, network = fomm
    wrap, said = WRAPPED[form]
    content, file = wrap(network), tmp_path / "x.pth.tar"
    if kind == "torch":
        torch.save(content, file)
    else:
        save_file(content, file)  # whatever its name
    file.with_name("x.pth.tar.json").write_text(json.dumps(config))
    predictor = registry.load(f"fomm?weights={file}", weights=None, device=CPU)
    own, given = predictor.network.state_dict(), network.state_dict()
    assert own.keys() == given.keys() and all(torch.equal(own[key], given[key]) for key in own)
    read = predictor.describe()["weights_read"]
    assert all(any(line.startswith(one) for line in read) for one in said) and (said or not read or "json" not in read)


@pytest.mark.parametrize("form", ["nested", "flat", "beside"])
def test_networks_that_stand_there_twice_are_asked_for(form, fomm, tmp_path):
    config, network = fomm
    content = {
        "nested": {"model": nested(network), "ema": other(nested(network))},
        "flat": {"state_dict": {**flat(network, "model."), **other(flat(network, "ema."))}},
        "beside": {**nested(network), "ema": other(nested(network))},
    }[form]
    model, ema = {"nested": ("model", "ema"), "flat": ("state_dict.model", "state_dict.ema"), "beside": (".", "ema")}[
        form
    ]
    file = tmp_path / "x.pth.tar"
    torch.save(content, file)
    file.with_name("x.pth.tar.json").write_text(json.dumps(config))
    with refused(ModelError, "ambiguous-weights", model, ema):
        registry.load(f"fomm?weights={file}", weights=None, device=CPU)
    for key, shift in ((model, 0), (ema, 1)):
        predictor = registry.load(f"fomm?weights={file}&key={key}", weights=None, device=CPU)
        bias = network.generator.final.bias
        assert torch.equal(predictor.network.generator.final.bias, bias + shift)
        assert f"took {key} of {model} and {ema}" in predictor.describe()["weights_read"]
    with refused(ModelError, "not-a-checkpoint", model, ema):
        registry.load(f"fomm?weights={file}&key=best", weights=None, device=CPU)


def test_a_moving_average_under_another_name_is_said_to_be_skipped(fomm, tmp_path):
    network = fomm[1]
    torch.save({**nested(network), "generator_ema": other(nested(network)["generator"])}, tmp_path / "x.pth")
    found = checkpoints.load(tmp_path / "x.pth")
    assert set(found.states) == {"generator", "kp_detector"} and found.read == ("skipped generator_ema",)
    assert torch.equal(found.states["generator"]["final.bias"], network.generator.final.bias)


@pytest.mark.parametrize("prefix", ["", "model.", "module."])
@pytest.mark.parametrize("key", ["state_dict", "model", "ema", None])
def test_a_model_of_one_network(prefix, key, tmp_path):
    config, network = small("x2face")
    state = {prefix + name: value for name, value in network.model.state_dict().items()}
    torch.save({key: state} if key else state, tmp_path / "x.pth")
    (tmp_path / "x.pth.json").write_text(json.dumps(config | {"pose": False}))
    predictor = registry.load(f"x2face?weights={tmp_path / 'x.pth'}", weights=None, device=CPU)
    own = predictor.network.model.state_dict()
    assert all(torch.equal(own[name], value) for name, value in network.model.state_dict().items())


def test_no_network_has_keys_that_look_wrapped():
    """Else a prefix would be taken off that belongs to the network."""
    for name in ALL:
        with torch.device("meta"):
            network = CLASSES[name](CONFIGS[name])
        for part, module in network.named_children():
            state, said = module.state_dict(), []
            assert layouts._plain(state, said).keys() == state.keys() and not said, (name, part)


def test_flat_files_of_detectors(tmp_path):
    state = {"conv.weight": torch.ones(2), "bn.bias": torch.zeros(2)}
    for content, said in (
        (state, []),
        ({**state, "height": 192}, ["skipped height"]),
        ({"state_dict": {f"module.{key}": value for key, value in state.items()}, "epoch": 1}, None),
        ({"model": {"state_dict": state}, "args": argparse.Namespace()}, None),
        ({"state_dict": state, "ema": other(state)}, ["unwrapped state_dict", "skipped ema"]),
    ):
        torch.save(content, tmp_path / "x.pth")
        found, read = checkpoints.load_flat(tmp_path / "x.pth")
        assert found.keys() == state.keys() and torch.equal(found["conv.weight"], torch.ones(2))
        assert said is None or read == said
    torch.save({"model": state, "ema": other(state)}, tmp_path / "x.pth")
    with refused(ModelError, "ambiguous-weights", "x.pth", "model", "ema"):
        checkpoints.load_flat(tmp_path / "x.pth")


def test_a_torch_file_under_the_name_of_the_other_kind(fomm, tmp_path):
    torch.save(nested(fomm[1]), tmp_path / "x.safetensors")
    assert set(checkpoints.load(Path(tmp_path / "x.safetensors")).states) == {"generator", "kp_detector"}
    (tmp_path / "x.safetensors").write_bytes(b"<html>no</html>")
    with refused(ModelError, "not-a-checkpoint", "web page"):
        checkpoints.load(tmp_path / "x.safetensors")
