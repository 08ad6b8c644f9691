"""Features of references are computed once, as far as the budget goes, and are the same bits."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.metrics import st_lpips
from bench.metrics.references import References


def test_what_fits_is_kept_and_the_rest_computed_again() -> None:
    asked: list[float] = []

    def compute(image: Tensor) -> list[Tensor]:
        asked.append(float(image[0]))
        return [image * 2, image * 3]

    kept = References(budget=100)  # 16 bytes of 4 floats each, twice: three images
    images = [torch.full((4,), float(k)) for k in range(5)]
    for _ in range(2):
        for k, image in enumerate(images):
            found = kept.features(image.clone(), compute)
            assert [one.tolist() for one in found] == [[2.0 * k] * 4, [3.0 * k] * 4]
    assert asked == [0, 1, 2, 3, 4, 3, 4] and kept.size == 96
    kept.features(images[1].reshape(2, 2)[0], compute)  # the same bytes in another shape are another image
    assert len(asked) == 8


def test_st_lpips_of_a_kept_reference_is_the_same_number(monkeypatch) -> None:
    one, other = torch.rand(2, 2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(st_lpips, "_references", References())
    first, again = (st_lpips.st_lpips(one, other) for _ in range(2))
    assert len(st_lpips._references._kept) == 2
    weights = st_lpips.loaded("cpu")
    with torch.inference_mode():
        plain = [st_lpips.distance(weights, *pair) for pair in zip(one.split(1), other.split(1))]
    assert torch.equal(first, again) and torch.equal(first, torch.cat(plain).double())
    monkeypatch.setattr(st_lpips, "_references", References(budget=0))
    assert torch.equal(first, st_lpips.st_lpips(one, other)) and not st_lpips._references._kept
