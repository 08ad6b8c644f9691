"""X2Face is equal to the official network, in every way of driving it."""

from __future__ import annotations

import pytest
import torch
from support import golden_cases

from baselines import registry
from baselines.card import card
from baselines.predictor import PairBatch
from baselines.x2face.network import Mosaic, X2Face, merge


@pytest.mark.slow
def test_equals_the_official_network():
    assert golden_cases.differing(*golden_cases.filled("x2face")) == []


def test_equals_the_official_network_with_one_source():
    assert golden_cases.differing(*golden_cases.filled("x2face"), "one_source") == []


def test_a_missing_tanh_is_seen():
    net, case = golden_cases.filled("x2face")
    sampler = net.model.pix2pixSampler.netG.model.up
    try:
        last = sampler[3]
        sampler[3] = torch.nn.Identity()
        different = golden_cases.differing(net, case, "one_source", "get_unwrapped")
    finally:
        sampler[3] = last
    assert "one_source.prediction" in different and "get_unwrapped.result" not in different


def test_a_pose_edit_towards_its_own_pose_is_none():
    net, _ = golden_cases.filled("x2face")
    with torch.inference_mode():
        bottleneck = torch.rand(1, 128, 1, 1)
        edit = net.toward_pose(net.posereg(bottleneck.flatten(1)))
        torch.testing.assert_close(edit(bottleneck), bottleneck)


def test_several_sources_are_weighed_by_confidence():
    black, white = torch.zeros(1, 3, 2, 2), torch.ones(1, 3, 2, 2)
    mosaics = [Mosaic(image, torch.zeros(1), torch.full((1, 1, 2, 2), c)) for image, c in ((black, 0.9), (white, 2.9))]
    torch.testing.assert_close(merge(mosaics), torch.full((1, 3, 2, 2), 0.75))
    torch.testing.assert_close(merge(mosaics[:1]), black)


def test_official_configuration():
    with torch.device("meta"):
        net = X2Face(card("x2face").config)
    assert net.model.pix2pixSampler.netG.levels()[-1].down[1].weight.shape == (128, 512, 4, 4)


@pytest.mark.parametrize("plain", ["true", "false"])
@pytest.mark.parametrize("part", ["pix2pixUnwrapped", "pix2pixSampler"])
def test_a_network_that_gives_no_positions_gives_no_frame(part, plain):
    predictor = registry.load(f"x2face?plain={plain}", weights=None, device=torch.device("cpu"))
    frame = torch.rand(1, 3, 256, 256)
    batch = PairBatch(("a",), frame, frame.flip(3))
    assert predictor.predict(batch, "absolute").isfinite().all()
    predictor.forget()
    last = getattr(predictor.network.model, part).netG.model.up[2]
    last.forward = lambda x: torch.full((1, last.out_channels, *x.shape[2:]), torch.nan)
    assert predictor.predict(batch, "absolute").isnan().all()
