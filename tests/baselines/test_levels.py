"""Rounding to 8 bits and back."""

from __future__ import annotations

import numpy as np
import torch

from baselines.levels import array_from_levels, from_levels, to_levels


def test_rounding_is_half_to_even_and_clamps() -> None:
    values = torch.tensor([0.5, 1.5, 2.5, 254.5, 255.4, 300, -0.9], dtype=torch.float64) / 255
    assert to_levels(values).tolist() == [0, 2, 2, 254, 255, 255, 0]
    assert to_levels(values, truncate=True).tolist() == [0, 1, 2, 254, 255, 255, 0]


def test_every_level_comes_back_either_way() -> None:
    levels = torch.arange(256, dtype=torch.uint8).reshape(4, 64)
    images = from_levels(levels)
    assert images.dtype == torch.float32 and torch.equal(images, levels.float().div(255))
    assert torch.equal(to_levels(images), levels) and torch.equal(to_levels(images, truncate=True), levels)
    assert np.array_equal(array_from_levels(levels.numpy()), images.numpy())


def test_nothing_that_is_given_is_changed_and_the_order_of_memory_stays() -> None:
    levels = torch.randint(0, 256, (2, 8, 6, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
    images = from_levels(levels)
    before = images.clone()
    assert images.stride() == levels.stride() and to_levels(images).stride() == levels.stride()
    assert torch.equal(images, before)


def test_tensors_stay_on_their_device() -> None:
    levels = torch.empty(1, 3, 4, 4, dtype=torch.uint8, device="meta")
    assert from_levels(levels).device.type == to_levels(from_levels(levels)).device.type == "meta"
