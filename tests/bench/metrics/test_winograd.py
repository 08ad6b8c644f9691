"""Convolutions with fewer products are the plain ones up to rounding."""

from __future__ import annotations

import pytest
import torch

from bench.metrics.winograd import convolve, transformed, use_winograd


@pytest.mark.parametrize("size", [(1, 1), (8, 9), (13, 6), (20, 24)])
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("kernel", [3, 5])
def test_a_winograd_convolution_is_the_plain_one(size: tuple[int, int], biased: bool, kernel: int) -> None:
    noise = torch.Generator().manual_seed(0)
    x, weight = torch.randn(1, 5, *size, generator=noise), torch.randn(7, 5, kernel, kernel, generator=noise)
    bias = torch.randn(7, generator=noise) if biased else None
    expected = torch.nn.functional.conv2d(x, weight, bias, padding=kernel // 2)
    found = convolve(x, transformed(weight), bias)
    assert found.stride(1) == 1 and not torch.equal(found, expected)
    torch.testing.assert_close(found, expected, atol=2e-5 * expected.abs().max().item(), rtol=0)
    assert torch.equal(convolve(x, transformed(weight), bias, relu=True), found.relu())


def test_wide_convolutions_of_one_sample_go_by_winograd_and_no_others() -> None:
    torch.manual_seed(0)
    wide, narrow = torch.nn.Conv2d(64, 64, 3, padding=1), torch.nn.Conv2d(32, 64, 3, padding=1)
    network = torch.nn.ModuleList((wide, narrow)).requires_grad_(False)
    x = torch.randn(2, 64, 20, 20)
    expected = wide(x)
    for conv in network:
        use_winograd(conv)
    assert "forward" in vars(wide) and "forward" not in vars(narrow)
    assert torch.equal(wide(x), expected) and not torch.equal(wide(x[:1]), expected[:1])
    torch.testing.assert_close(wide(x[:1]), expected[:1], atol=2e-5, rtol=0)
