"""MCNet's memory unit: every pair has kernels, a style and a key of its own, whatever stands beside it in the batch."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from baselines.mcnet.memory import DynamicConv, MemoryUnit, attend, draw_noise, per_sample_conv

N, KEYPOINTS = 3, 4


@pytest.fixture(scope="module")
def unit() -> MemoryUnit:
    """Weights so large that the conditions (style, kernel mixture, query) show in the result."""
    torch.manual_seed(0)
    unit = MemoryUnit({8: 12, 16: 8}, KEYPOINTS, mb_channel=16, mb_spatial=8)
    with torch.no_grad():
        unit.mb.mul_(20)
        unit.styleconv.weight.fill_(0.5)
        unit.style_route[0].weight.mul_(4)
        unit.conv_kv.attention.fc1.weight.mul_(4)
        unit.conv_kv.attention.fc2.weight.mul_(200)
        unit.conv_kv.bias.normal_()
        unit.query_conv.weight.mul_(4)
    return unit.eval()


def inputs(side: int, channels: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Warped features of a different level in every pair, source keypoints, noise."""
    generator = torch.Generator().manual_seed(1)
    offset = torch.tensor([-1.0, 0.5, 2.0])[:, None, None, None] * torch.randn(1, channels, 1, 1, generator=generator)
    warped = torch.randn(N, channels, side, side, generator=generator) + offset
    points = 2 * torch.rand(N, KEYPOINTS, 2, generator=generator) - 1
    return warped, points, torch.randn(N, 1, 8, 8, generator=generator)


@pytest.mark.parametrize(("side", "channels"), [(8, 12), (16, 8)])
def test_compensation_of_a_pair_does_not_depend_on_its_batch(unit, side, channels):
    warped, points, noise = inputs(side, channels)
    with torch.inference_mode():
        together = unit(warped, points, noise)
        for i in range(N):
            alone = unit(warped[i : i + 1], points[i : i + 1], noise[i : i + 1])
            for name in ("feature", "projected", "value"):
                one, many = getattr(alone, name)[0], getattr(together, name)[i]
                assert (one - many).abs().max() < 1e-5 * max(1, float(one.abs().max())), name


@pytest.mark.parametrize("changed", ["points", "noise", "feature"])
def test_only_the_pair_whose_condition_changes_is_changed(unit, changed):
    """Each condition matters, so that the test above would see one taken from another pair."""
    warped, points, noise = inputs(8, 12)
    other = {"points": points, "noise": noise, "feature": warped}
    other[changed] = other[changed].clone()
    other[changed][1] = other[changed][0]
    with torch.inference_mode():
        before = unit(warped, points, noise).value
        after = unit(other["feature"], other["points"], other["noise"]).value
    moved = (after - before).abs().amax((1, 2, 3))
    assert moved[1] > 1e-2 * before.abs().max()
    assert moved[0] < 1e-5 * before.abs().max() and moved[2] < 1e-5 * before.abs().max()


def test_even_channels_pass_and_odd_ones_are_compensated(unit):
    warped, points, noise = inputs(16, 8)
    with torch.inference_mode():
        feature = unit(warped, points, noise).feature
    assert torch.equal(feature[:, 0::2], warped[:, 0::2])
    assert (feature[:, 1::2] - warped[:, 1::2]).abs().amax((0, 2, 3)).min() > 0.1


def test_each_sample_has_a_kernel_of_its_own():
    generator = torch.Generator().manual_seed(0)
    x, weight = torch.randn(N, 5, 6, 7, generator=generator), torch.randn(N, 4, 5, 3, 3, generator=generator)
    expected = torch.cat([F.conv2d(x[i : i + 1], weight[i], padding=1) for i in range(N)])
    torch.testing.assert_close(per_sample_conv(x, weight), expected, atol=1e-5, rtol=1e-5)
    same_input = torch.cat([F.conv2d(x[:1], weight[i], padding=1) for i in range(N)])
    torch.testing.assert_close(per_sample_conv(x[:1], weight), same_input, atol=1e-5, rtol=1e-5)


def test_dynamic_convolution_is_the_mixture_of_its_kernels():
    torch.manual_seed(0)
    conv = DynamicConv(8, 6)
    conv.attention.fc2.weight.data.mul_(100)
    conv.bias.data.normal_()
    x, condition = torch.randn(N, 8, 5, 5), 3 * torch.randn(N, 8, 1, 1).expand(N, 8, 4, 4)
    with torch.inference_mode():
        mixture = conv.attention(condition)
        assert mixture.std(0).max() > 0.05  # the samples ask for different kernels
        out = conv(x, condition)
        for i in range(N):
            parts = [F.conv2d(x[i : i + 1], w, b, padding=1) for w, b in zip(conv.weight, conv.bias)]
            expected = sum(share * part for share, part in zip(mixture[i], parts))
            torch.testing.assert_close(out[i : i + 1], expected, atol=1e-5, rtol=1e-5)


def test_demodulated_kernels_have_unit_norm_and_follow_the_style(unit):
    conv = unit.styleconv.modulated_conv
    style = torch.randn(2, 16, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        weight = conv.demodulated_weight(conv.modulate(style))
    assert torch.allclose(weight.square().sum((2, 3, 4)), torch.ones(2, 16), atol=1e-4)
    assert (weight[0] - weight[1]).abs().max() > 0.05


def test_attention_divides_the_scores_by_four():
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(1, 8, 3, 3, generator=generator)
    key, value = (torch.randn(1, 8, 4, 4, generator=generator) for _ in range(2))
    scores = query.flatten(2)[0].T @ key.flatten(2)[0] / 4
    expected = (torch.softmax(scores, dim=1) @ value.flatten(2)[0].T).T.reshape(1, 8, 3, 3)
    torch.testing.assert_close(attend(query, key, value), expected, atol=1e-6, rtol=1e-5)


def test_noise_of_a_pair_is_its_seeds_at_every_place():
    like = torch.zeros(1)
    pair, reverse = draw_noise((2, 1, 8, 8), 3, [5, 6], like), draw_noise((2, 1, 8, 8), 3, [6, 5], like)
    for there, here in zip(pair, reverse, strict=True):
        assert torch.equal(there, here.flip(0)) and not torch.equal(there[0], there[1])
    assert not torch.equal(pair[0], pair[1])  # each level draws its own
