"""DaGAN is equal to the official networks, with either generator."""

from __future__ import annotations

import pytest
import torch
from support import golden_cases

from baselines.card import card
from baselines.dagan.network import DaGAN

slow = pytest.mark.slow


@pytest.mark.parametrize("modes", [("relative_adapt",), pytest.param(("absolute", "relative", "spade"), marks=slow)])
def test_equals_the_official_networks(modes):
    assert golden_cases.differing(*golden_cases.filled("dagan"), *modes) == []


def test_attention_without_depth_is_seen():
    net, case = golden_cases.filled("dagan")
    gamma = net.generator.AttnModule.gamma.data.clone()
    try:
        net.generator.AttnModule.gamma.data.zero_()
        different = golden_cases.differing(net, case, "relative_adapt")
    finally:
        net.generator.AttnModule.gamma.data.copy_(gamma)
    assert different[-1] == "relative_adapt.prediction" and "kp_source.value" not in different


def test_parameters_are_the_official_ones():
    with torch.device("meta"):
        plain, spade = (DaGAN(card(name).config) for name in ("dagan", "dagan-spade"))
    counts = {name: golden_cases.parameters(plain, name) for name, _ in plain.named_children()}
    assert counts == {
        "generator": 46_096_917,
        "kp_detector": 14_262_519,
        "depth_encoder": 11_689_512,
        "depth_decoder": 3_152_724,
    }
    assert golden_cases.parameters(spade, "generator") == 67_545_305


def test_depth_is_a_disparity_between_0_and_1():
    with torch.inference_mode():
        net = DaGAN({**card("dagan").config, "depth_params": {"width": 4, "widths": [4, 4, 4, 8, 8]}}).eval()
        depth = net.depth(torch.rand(2, 3, 64, 96))
    assert depth.shape == (2, 1, 64, 96) and depth.min() > 0 and depth.max() < 1
