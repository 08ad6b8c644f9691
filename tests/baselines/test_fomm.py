"""FOMM is equal to the official network, and what it is compared with tells the usual mistakes."""

from __future__ import annotations

import pytest
import torch
from support import golden_cases, small_networks

from baselines.fomm.network import FOMM

slow = pytest.mark.slow


@pytest.mark.parametrize(
    "modes",
    [
        ("relative_adapt",),
        pytest.param(("absolute", "absolute_aligned", "relative", "relative_nojacobian"), marks=slow),
    ],
)
def test_equals_the_official_network(modes):
    assert golden_cases.differing(*golden_cases.filled("fomm"), *modes) == []


def test_other_sampling_convention_is_seen():
    net, case = golden_cases.filled("fomm")
    net.generator.align_corners = net.generator.dense_motion_network.align_corners = True
    try:
        different = golden_cases.differing(net, case, "absolute")
    finally:
        net.generator.align_corners = net.generator.dense_motion_network.align_corners = False
    assert different[0] == "absolute.hourglass_input" and different[-1] == "absolute.prediction"


def test_batch_norm_in_training_mode_is_seen():
    net, case = golden_cases.filled("fomm")
    state = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    try:
        different = golden_cases.differing(net.train(), case, "absolute")
    finally:
        net.eval().load_state_dict(state)
    assert different[0] == "kp_source.value" and "absolute.prediction" in different


def test_parameters_and_layout_are_the_official_ones():
    with torch.device("meta"):
        net = FOMM(golden_cases.golden.read(golden_cases.FOLDER / "fomm").spec["config"])
    assert golden_cases.parameters(net, "generator") == 45_575_391
    assert golden_cases.parameters(net, "kp_detector") == 14_215_368
    shapes = {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
    assert shapes["kp_detector.down.weight"] == (3, 1, 13, 13)
    assert shapes["kp_detector.jacobian.weight"] == (40, 35, 7, 7)
    assert shapes["generator.dense_motion_network.hourglass.encoder.down_blocks.0.conv.weight"] == (128, 44, 3, 3)
    assert shapes["generator.bottleneck.r5.norm2.running_var"] == (256,)


@slow
def test_bfloat16_stays_near_float32():
    _, net = small_networks.small("fomm")
    pairs = small_networks.batch(2)
    source, driving = pairs.source, pairs.driving

    def generate():
        return net.generate(source, net.detect(source), net.detect(driving))[0].float()

    with torch.inference_mode():
        exact = generate()
        with torch.autocast("cpu", torch.bfloat16):
            half = generate()
    error = (half - exact).abs().mean()
    assert 0 < error < 0.01
