"""OSTNet has no reference: it is checked against what its paper says must be true."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.small_networks import batch, small

from baselines.blocks.keypoints import Keypoints
from baselines.card import card
from baselines.ostnet.network import OSTNet
from baselines.ostnet.scale import (
    ScaleTransformation,
    distance_vectors,
    rectify,
    regular_fiducials,
)
from baselines.training.losses import keypoint_hinge
from baselines.training.scale import squeeze
from protocols.augment import augment

FACTOR = st.floats(0.7, 1.3)


def points(n: int = 2, count: int = 15) -> torch.Tensor:
    return torch.rand(n, count, 2, generator=torch.Generator().manual_seed(4)) * 1.6 - 0.8


def test_twenty_fiducials_along_two_edges():
    regular = regular_fiducials()
    assert regular.shape == (20, 2) and regular[:, 1].abs().min() == 1
    assert regular[0].tolist() == [-1, -1] and regular[-1].tolist() == [1, 1]


def test_at_its_initialization_the_driving_image_is_left_as_it_is():
    images, network = batch(2).driving, ScaleTransformation(15)
    scale = network(points(), points().flip(1))
    torch.testing.assert_close(scale.fiducials, regular_fiducials().expand(2, 20, 2))
    torch.testing.assert_close(network.rectify(images, scale), images, atol=1e-4, rtol=0)


@settings(deadline=None, max_examples=20)
@given(FACTOR, FACTOR)
def test_a_squeezed_image_is_restored_by_the_known_fiducials(alpha, beta):
    """The frame of the squeezed image lies where the resize put its edges."""
    image = batch(1).driving
    squeezed = squeeze(image, torch.tensor([alpha]), torch.tensor([beta]))
    edges = torch.tensor([beta, alpha]) / max(alpha, beta)
    regular = regular_fiducials()
    restored = rectify(squeezed, (regular * edges)[None])
    inner = (slice(None), slice(None), slice(4, -4), slice(4, -4))
    assert (restored - image)[inner].abs().max() < 0.05
    assert (restored - image)[inner].abs().mean() < 0.004


@pytest.mark.parametrize(("alpha", "beta"), [(0.7, 1.3), (1.25, 0.8), (1.0, 0.75)])
def test_the_protocols_own_augmentation_is_undone_too(alpha, beta):
    image = (batch(1).driving[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    squeezed = torch.from_numpy(augment(image, alpha, beta)).permute(2, 0, 1)[None] / 255
    original = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
    edges = torch.tensor([beta, alpha]) / max(alpha, beta)
    restored = rectify(squeezed, (regular_fiducials() * edges)[None])
    inner = (slice(None), slice(None), slice(8, -8), slice(8, -8))
    before, after = ((x - original)[inner].abs().mean() for x in (squeezed, restored))
    assert after < 0.01 < before
    here = squeeze(original, torch.tensor([alpha]), torch.tensor([beta]))
    assert (here - squeezed).abs().mean() < 0.01  # training squeezes as the protocol does


def test_gradients_reach_the_localisation_network_through_the_rectified_image():
    network, images = ScaleTransformation(15), batch(2)
    with torch.no_grad():
        network.fc.weight.normal_(0, 0.01)
    scale = network(points(), points().flip(1))
    (network.rectify(images.driving, scale) - images.target).abs().mean().backward()
    for layer in (network.localisation[0], network.localisation[-1], network.fc):
        assert layer.weight.grad.abs().max() > 0


def test_distance_vectors_know_nothing_of_the_place():
    there = distance_vectors(points() + torch.tensor([0.3, -0.2]))
    torch.testing.assert_close(there, distance_vectors(points()))
    torch.testing.assert_close(there.mean(1), torch.zeros(2, 2), atol=1e-6, rtol=0)


def test_shapes_of_figure_9():
    """Image encoder of 64 channels, down blocks to 512, up blocks back, four layers of localisation, a 1x1 layer."""
    with torch.device("meta"):
        net = OSTNet(card("ostnet").config)
    generator = net.generator
    assert generator.widths == [64, 128, 256, 512] and len(generator.bottleneck) == 0
    assert all(block.conv.kernel_size == (3, 3) for block in (*generator.down_blocks, *generator.up_blocks))
    assert generator.final.kernel_size == (1, 1)
    linear = [layer for layer in net.scale_transformation.localisation if isinstance(layer, torch.nn.Linear)]
    assert len(linear) == 4 and linear[0].in_features == 15 * 2 * 4
    assert net.scale_transformation.fc.out_features == 2 * 20
    assert [layer.out_features for layer in generator.embedding.down] == [64, 128, 256]
    assert [layer.out_features for layer in generator.embedding.up] == [512, 256, 128]
    features = OSTNet(card("ostnet").config).generator.encode(torch.zeros(1, 3, 64, 64))
    assert [tuple(x.shape[1:]) for x in features] == [(64, 64, 64), (128, 32, 32), (256, 16, 16), (512, 8, 8)]


def test_the_variants_lack_what_their_names_say():
    with torch.device("meta"):
        nets = {name: OSTNet(card(name).config) for name in ("ostnet-baseline", "ostnet-st", "ostnet-no-distance")}
    assert nets["ostnet-baseline"].scale_transformation is None and nets["ostnet-baseline"].generator.embedding is None
    assert nets["ostnet-st"].scale_transformation is not None and nets["ostnet-st"].generator.embedding is None
    assert nets["ostnet-no-distance"].scale_transformation.localisation[0].in_features == 15 * 2 * 2
    with pytest.raises(ValueError, match=r"\bcode\b"):
        OSTNet({**card("ostnet").config, "scale_params": {"code": 8, "transform": False}})


def test_the_code_reaches_every_level():
    _, net = small("ostnet")
    pairs = batch(1)
    source = net.detect(pairs.source)
    driving = net.rectify(source, pairs.driving)
    frame, _ = net.generate(pairs.source, source, driving)
    for layer in (*net.generator.embedding.down, *net.generator.embedding.up):
        kept = layer.weight.data.clone()
        layer.weight.data += 1
        moved, _ = net.generate(pairs.source, source, driving)
        layer.weight.data = kept
        assert (moved - frame).abs().max() > 1e-6


def test_keypoint_distance_loss():
    spread = torch.tensor([[[0.0, 0.0], [0.5, 0.0]]])
    near = torch.tensor([[[0.0, 0.0], [0.03, 0.03]]], requires_grad=True)
    assert keypoint_hinge(spread).item() == 0
    loss = keypoint_hinge(near)
    assert loss.item() == pytest.approx(2 * (0.1 - 0.06))
    loss.backward()
    assert near.grad[0, 1, 0] < 0  # a step against the gradient takes the second point away from the first


def test_keypoints_are_those_of_the_rectified_image():
    _, net = small("ostnet")
    pairs = batch(1)
    rectified = net.rectify(net.detect(pairs.source), pairs.driving)
    again = net.detect(rectified.image)
    assert isinstance(rectified.keypoints, Keypoints)
    torch.testing.assert_close(rectified.keypoints.value, again.value)
