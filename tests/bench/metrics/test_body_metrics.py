"""Distances of joints, some of which are missing."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench import metrics
from bench.metrics import akd, body

NAN = float("nan")


def test_values_by_hand() -> None:
    reference = torch.tensor([[[10.0, 10], [20, 20], [30, 30], [NAN, NAN]]], dtype=torch.float64)
    generated = torch.tensor([[[11.0, 13], [20, 18], [NAN, NAN], [5, 5]]], dtype=torch.float64)
    assert body.akd(generated, reference).tolist() == [(1 + 3 + 0 + 2) / 4]  # the two joints that both have
    assert akd.mkr(generated, reference).tolist() == [pytest.approx(1 / 3)]
    lost = torch.full_like(generated, NAN)
    assert body.akd(lost, reference).isnan().all() and akd.mkr(lost, reference).tolist() == [1]
    assert akd.mkr(generated, lost).isnan().all()


@given(st.lists(st.booleans(), min_size=18, max_size=18), st.floats(-50, 50))
def test_a_shift_is_its_own_distance_whatever_is_missing(present: list[bool], shift: float) -> None:
    reference = torch.rand(1, 18, 2, dtype=torch.float64) * 384
    generated = (reference + shift).where(torch.tensor(present)[None, :, None], torch.tensor(NAN))
    distance, missing = body.akd(generated, reference), akd.mkr(generated, reference)
    assert missing.item() == pytest.approx(1 - sum(present) / 18)
    assert distance.isnan().item() if not any(present) else distance.item() == pytest.approx(abs(shift))


def test_they_are_families_of_their_own() -> None:
    named = metrics.definitions()
    assert {named[name].family for name in ("akd-body", "mkr-body", "aed-body", "aed-euclid-body")} == {
        "akd-body", "mkr-body", "aed-body"
    }  # fmt: skip
    assert metrics.kinds(["akd-body", "aed-body"]) == {"body-landmarks", "body-identity"}
    assert not named["akd-body"].proxy and named["akd-body"].unit == "px"
