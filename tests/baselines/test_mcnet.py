"""MCNet is equal to the official network, and what it is compared with tells the usual mistakes."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from support import golden_cases, small_networks

from baselines.mcnet.network import MCNet

slow = pytest.mark.slow


@slow
@pytest.mark.parametrize("modes", [("noise", "relative_adapt"), ("absolute", "relative")])
def test_equals_the_official_network(modes):
    assert golden_cases.differing(*golden_cases.filled("mcnet"), *modes) == []


@slow
def test_swapped_parity_split_is_seen():
    net, case = golden_cases.filled("mcnet")

    def swap(x):
        return x.unflatten(1, (-1, 2)).flip(2).flatten(1, 2)

    unit = net.generator.mbUnit
    handles = [
        unit.register_forward_pre_hook(lambda _, inputs: (swap(inputs[0]), *inputs[1:])),
        unit.register_forward_hook(lambda _, __, out: dataclasses.replace(out, feature=swap(out.feature))),
    ]
    try:
        different = golden_cases.differing(net, case, "absolute")
    finally:
        for handle in handles:
            handle.remove()
    assert different == ["absolute.prediction"]


@slow
def test_ignored_noise_is_seen():
    net, case = golden_cases.filled("mcnet")
    style = net.generator.mbUnit.styleconv
    handle = style.register_forward_pre_hook(lambda _, inputs: (*inputs[:2], torch.zeros_like(inputs[2])))
    try:
        different = golden_cases.differing(net, case, "noise")
    finally:
        handle.remove()
    assert different == ["noise.prediction"]


def test_parameters_and_layout_are_the_official_ones():
    with torch.device("meta"):
        net = MCNet(golden_cases.golden.read(golden_cases.FOLDER / "mcnet").spec["config"])
    assert golden_cases.parameters(net, "generator") == 87_583_005
    assert golden_cases.parameters(net, "generator.dense_motion_network") == 37_796_433
    assert golden_cases.parameters(net, "generator.mbUnit") == 25_049_289
    assert golden_cases.parameters(net, "kp_detector") == 14_258_268
    shapes = {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
    assert shapes["generator.mbUnit.mb"] == (1, 512, 32, 32)
    assert shapes["generator.mbUnit.conv_kv.weight"] == (4, 1024, 512, 3, 3)
    assert shapes["generator.mbUnit.style_route.0.weight"] == (128, 542)
    assert shapes["generator.mbUnit.feat_forward_proj_128.weight"] == (512, 64, 1, 1)


@pytest.mark.slow
def test_bfloat16_stays_near_float32():
    _, net = small_networks.small("mcnet")
    pairs = small_networks.batch(2)
    source, driving = pairs.source, pairs.driving

    def generate():
        noise = net.noise([0, 1], source)
        return net.generate(source, net.detect(source), net.detect(driving), noise).frame.float()

    with torch.inference_mode():
        exact = generate()
        with torch.autocast("cpu", torch.bfloat16):
            half = generate()
    assert 0 < (half - exact).abs().mean() < 0.03
