"""TPSM is equal to the official networks, and what it is compared with tells the usual mistakes."""

from __future__ import annotations

import pytest
import torch
from support import golden_cases, small_networks

from baselines.tpsm import network
from baselines.tpsm.network import TPSM

slow = pytest.mark.slow


@pytest.mark.parametrize(
    "modes", [("relative", "avd"), pytest.param(("absolute", "reconstruction", "relative_noadapt"), marks=slow)]
)
def test_equals_the_official_networks(modes):
    assert golden_cases.differing(*golden_cases.filled("tpsm"), *modes) == []


def test_unaligned_sampling_is_seen(monkeypatch):
    net, case = golden_cases.filled("tpsm")
    aligned = network.warp
    monkeypatch.setattr(network, "warp", lambda x, flow, align_corners: aligned(x, flow, False))
    different = golden_cases.differing(net, case, "absolute")
    assert different[0] == "absolute.hourglass_input" and different[-1] == "absolute.prediction"


def test_parameters_and_layout_are_the_official_ones():
    with torch.device("meta"):
        net = TPSM(golden_cases.golden.read(golden_cases.FOLDER / "tpsm").spec["config"])
    counts = {name: golden_cases.parameters(net, name) for name, _ in net.named_children()}
    assert counts == {
        "kp_detector": 11_227_812,
        "dense_motion_network": 37_941_397,
        "inpainting_network": 24_737_283,
        "bg_predictor": 11_188_998,
        "avd_network": 2_583_652,
    }
    shapes = {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
    assert shapes["kp_detector.fg_encoder.layer2.0.downsample.0.weight"] == (128, 64, 1, 1)
    assert shapes["bg_predictor.bg_encoder.conv1.weight"] == (64, 6, 7, 7)
    assert shapes["dense_motion_network.occlusion.3.weight"] == (1, 37, 7, 7)
    assert shapes["inpainting_network.up_blocks.2.norm.weight"] == (64,)
    assert "inpainting_network.up_blocks.2.norm.running_mean" not in shapes


@pytest.mark.slow
def test_bfloat16_stays_near_float32():
    _, net = small_networks.small("tpsm")
    pairs = small_networks.batch(2)

    def generate():
        source, driving = net.detect(pairs.source), net.detect(pairs.driving)
        return net.generate(pairs.source, source, driving).frame.float()

    with torch.inference_mode():
        exact = generate()
        with torch.autocast("cpu", torch.bfloat16):
            half = generate()
    assert 0 < (half - exact).abs().mean() < 0.02
