"""Checkpoints with kernels in float16: what is rounded, what is not, and that float32 computes."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file
from support.small_networks import ALL, OFFICIAL, small
from torch import nn

from baselines import checkpoints, half_precision, registry
from baselines.card import MODELS, card
from bench.weights.export import export

CPU = torch.device("cpu")
SAMPLES = [name for name in MODELS if card(name).sample.is_file()]


def test_kernels_are_rounded_and_nothing_else():
    part = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 4))
    part.register_buffer("blur", torch.rand(3, 1, 5, 5))
    part[1].running_var.fill_(1e-10)
    stored = half_precision.stored(part, half=True)
    assert {key for key, value in stored.items() if value.dtype == torch.float16} == {"0.weight", "2.weight"}
    assert all(torch.equal(stored[key], value) for key, value in part.state_dict().items() if "weight" not in key)
    assert stored["1.num_batches_tracked"].dtype == torch.int64
    assert {value.dtype for value in half_precision.stored(part).values()} == {torch.float32, torch.int64}


@pytest.mark.parametrize("value", [65520.0, 3.0e-5, float("nan"), float("-inf")])
def test_a_kernel_that_float16_cannot_hold_stays(value):
    part = nn.Conv2d(2, 3, 3)
    with torch.no_grad():
        part.weight[1] = 0  # as such it does no harm
    assert half_precision.stored(part, half=True)["weight"].dtype == torch.float16
    with torch.no_grad():
        part.weight[1, 0, 0, 0] = value
    assert half_precision.stored(part, half=True)["weight"].dtype == torch.float32


@pytest.mark.parametrize("largest", [2.0**-14, 0.7, 65504.0])
def test_no_entry_moves_by_more_than_a_2048th_of_its_filters_largest(largest):
    part = nn.Conv2d(8, 8, 5)
    with torch.no_grad():
        part.weight.copy_(largest * (torch.rand(part.weight.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1))
        part.weight[:, 0, 0, 0] = largest
    stored = half_precision.stored(part, half=True)["weight"]
    assert stored.dtype == torch.float16
    assert 0 < (stored.float() - part.weight).abs().max() <= largest * 2**-11


@pytest.mark.parametrize("model", ALL)
def test_a_halved_checkpoint_is_read_and_computes_in_float32(model, tmp_path):
    config, network = small(model)
    own, halved = tmp_path / "own.safetensors", tmp_path / "halved" / "x.pth.tar"
    if model not in OFFICIAL:  # nobody publishes it: it has our layout alone
        halved = halved.with_name("x.safetensors")
    checkpoints.save_sample(own, model, network, config, {})
    export(own, halved, model, half=True)
    states = checkpoints.load(halved, card(model)).states
    assert {value.dtype for state in states.values() for value in state.values()} >= {torch.float16, torch.float32}
    predictor = registry.load(f"{model}?weights={halved}", weights=None, device=CPU)
    read = predictor.network.state_dict()
    assert {value.dtype for value in read.values()} <= {torch.float32, torch.int64}
    assert any("float16" in line for line in predictor.describe()["weights_read"])
    for name, part in network.named_children():
        for key, value in half_precision.stored(part, half=True).items():
            assert torch.equal(read[f"{name}.{key}"], value.to(read[f"{name}.{key}"].dtype))


def test_back_in_float32_it_stays_what_it_was_rounded_to(tmp_path):
    config, network = small("fomm")
    own, halved, back = (tmp_path / f"{name}.safetensors" for name in ("own", "halved", "back"))
    checkpoints.save_sample(own, "fomm", network, config, {"steps": 3})
    export(own, halved, half=True)
    export(halved, back)
    rounded, again = load_file(halved), load_file(back)
    assert {value.dtype for value in again.values()} == {torch.float32, torch.int64}
    assert all(torch.equal(again[key], value.to(again[key].dtype)) for key, value in rounded.items())
    first = checkpoints.load(own).sha256
    assert checkpoints.load(back).facts == {"steps": 3, "converted_from_sha256": first}
    assert [bool(checkpoints.load(file).read) for file in (own, halved, back)] == [False, True, False]


def test_what_only_a_training_uses_stays_in_the_file(tmp_path):
    config, network = small("fomm")
    parts = {**dict(network.named_children()), "for_training": nn.Linear(2, 2)}
    checkpoints.save_sample(tmp_path / "own.safetensors", "fomm", parts, config, {})
    export(tmp_path / "own.safetensors", tmp_path / "halved.safetensors", half=True)
    assert load_file(tmp_path / "own.safetensors").keys() == load_file(tmp_path / "halved.safetensors").keys()


@pytest.mark.parametrize("model", SAMPLES)
def test_sample_checkpoints_are_stored_in_half_precision_and_say_so(model):
    tensors = load_file(card(model).sample)
    half = sum(value.numel() for value in tensors.values() if value.dtype == torch.float16)
    assert half > 0.9 * sum(value.numel() for value in tensors.values())
    file = card(model).sample
    text = file.with_suffix(".md").read_text("utf-8")
    assert f"`{file.name}`, {file.stat().st_size / 1e6:.1f} MB" in text and "float16" in text
