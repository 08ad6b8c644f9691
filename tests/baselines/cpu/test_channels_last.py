"""Another order in memory changes no number by more than rounding, and stays from layer to layer."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from baselines.blocks.conv import DownBlock, ResBlock, SameBlock, batch_norm, instance_norm
from baselines.blocks.grid import resize, warp
from baselines.cpu.channels_last import keep_channels_last
from baselines.mcnet.memory import attend

LAST = torch.channels_last


def settled(block: nn.Module) -> nn.Module:
    """In evaluation mode, with norms that do something."""
    noise = torch.Generator().manual_seed(0)
    for norm in (module for module in block.modules() if hasattr(module, "running_var")):
        for value in (norm.weight, norm.running_var):
            nn.init.uniform_(value, 0.5, 2) if value is not None else None
        if norm.running_mean is not None:
            norm.running_mean.normal_(generator=noise)
    return block.eval().requires_grad_(False)


@pytest.mark.parametrize("norm", [batch_norm, instance_norm])
@pytest.mark.parametrize("make", [lambda norm: SameBlock(8, 12, 7, norm), lambda norm: DownBlock(8, 12, 3, norm)])
def test_a_block_is_the_plain_one(make, norm) -> None:
    torch.manual_seed(0)
    block = settled(make(norm))
    one, two = torch.randn(1, 8, 16, 20), torch.randn(2, 8, 16, 20)
    expected, names = (block(one), block(two)), list(block.state_dict())
    keep_channels_last(block)
    assert list(block.state_dict()) == names
    torch.testing.assert_close(block(one), expected[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(block(two), expected[1], atol=1e-5, rtol=1e-5)
    assert block(one).is_contiguous(memory_format=LAST)


@pytest.mark.parametrize("norm", [batch_norm, instance_norm])
@pytest.mark.parametrize("order", [torch.contiguous_format, LAST])
def test_a_residual_block_is_the_plain_one_and_leaves_its_input_alone(norm, order) -> None:
    torch.manual_seed(0)
    block = settled(ResBlock(8, norm=norm))
    x = torch.randn(1, 8, 16, 20)
    expected = block(x)
    keep_channels_last(block)
    given = x.contiguous(memory_format=order)
    found = block(given)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert torch.equal(given, x) and found.is_contiguous(memory_format=LAST)


def test_exempt_modules_keep_their_order() -> None:
    network = nn.ModuleDict({"a": nn.Sequential(SameBlock(8, 8), nn.InstanceNorm2d(8)), "b": SameBlock(8, 8)})
    network.eval()
    keep_channels_last(network, exempt=("a",))
    assert network["a"][0].conv.weight.is_contiguous()
    assert not any("forward" in vars(module) for module in network["a"])
    assert "forward" in vars(network["b"])


@given(st.booleans(), st.integers(0, 2**31), st.floats(0.3, 3), st.integers(2, 9), st.integers(2, 9))
def test_sampling_rows_is_sampling(align_corners: bool, seed: int, reach: float, height: int, width: int) -> None:
    noise = torch.Generator().manual_seed(seed)
    x = torch.randn(1, 9, height, width, generator=noise)
    flow = reach * (2 * torch.rand(1, 6, 7, 2, generator=noise) - 1)
    expected = F.grid_sample(x, flow, align_corners=align_corners)
    with torch.inference_mode():
        found = warp(x.contiguous(memory_format=LAST), flow, align_corners)
    assert found.is_contiguous(memory_format=LAST)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("align_corners", [True, False])
def test_sampling_rows_far_outside_and_at_what_is_no_number(align_corners: bool) -> None:
    x = torch.rand(1, 10, 6, 8)
    far = torch.tensor([1e30, -1e30, 1e9, -1e9, float("inf"), float("-inf")])
    flow = torch.stack([far, torch.zeros(6)], dim=-1)[None, None]
    with torch.inference_mode():
        rows = x.contiguous(memory_format=LAST)
        assert not warp(rows, flow, align_corners).any()
        assert not warp(rows, flow.flip(-1), align_corners).any()
        broken = warp(rows, torch.full((1, 1, 2, 2), torch.nan), align_corners)
    assert broken.shape == (1, 10, 1, 2) and not broken.isfinite().any()


def test_few_channels_are_sampled_and_resized_as_in_the_other_order() -> None:
    x, flow = torch.rand(1, 3, 9, 12), 2 * torch.rand(1, 5, 7, 2) - 1
    with torch.inference_mode():
        last = x.contiguous(memory_format=LAST)
        assert torch.equal(warp(last, flow, True), F.grid_sample(x, flow, align_corners=True))
        assert torch.equal(resize(last, 20, 30, False), F.interpolate(x, (20, 30), mode="bilinear"))


def test_attention_in_channels_last_order() -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(1, 8, 12, 10), torch.randn(1, 8, 4, 4), torch.randn(1, 8, 4, 4)
    expected = attend(query, key, value)
    found = attend(query.contiguous(memory_format=LAST), key, value)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert found.is_contiguous(memory_format=LAST)
