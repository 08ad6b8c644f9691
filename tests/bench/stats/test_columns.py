"""Differences that are never made against the same ones made."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from bench.stats import columns, resampling
from bench.stats.columns import Columns
from bench.stats.intervals import intervals
from bench.stats.resampling import Hierarchy, resamples, sign_flip_p


@pytest.fixture
def values() -> np.ndarray:
    """Two columns alike, one with NaN, one infinite at a place, one next to the first, two equal ones."""
    x = np.random.default_rng(0).normal(1, 0.3, size=(60, 7))
    x[::7, 2] = np.nan
    x[5, 3] = np.inf
    x[:, 4] = x[:, 0] + 1e-9 * x[:, 5]
    x[:, 6] = x[:, 1]
    return x


PAIRS = list(combinations(range(7), 2))
PICKS = [(0, None), *PAIRS, (3, None)]


def made(values: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.stack([values[:, a] if b is None else values[:, a] - values[:, b] for a, b in PICKS], axis=1)


def test_sums_are_those_of_the_differences(values: np.ndarray) -> None:
    weights = np.random.default_rng(1).integers(0, 4, (9, len(values))).astype(float)
    few, all_of_them = Columns(values, PICKS), made(values)
    finite = np.isfinite(all_of_them)
    np.testing.assert_allclose(few.sums(weights), weights @ np.where(finite, all_of_them, 0), rtol=1e-11, atol=1e-18)
    np.testing.assert_array_equal(few.weights(weights), weights @ finite)
    np.testing.assert_array_equal(np.concatenate([part for _, part in few.parts()], axis=1), all_of_them)
    equal = few.sums(weights)[:, PICKS.index((1, 6))]
    np.testing.assert_array_equal(equal, 0)  # not a rounding error that a test of signs could take for a difference


def test_products_grow_with_the_columns_and_not_with_their_pairs(values: np.ndarray) -> None:
    apart = np.random.default_rng(2).normal(1, 0.3, size=(60, 12))
    few = Columns(apart, list(combinations(range(12), 2)))
    assert few.shape == (60, 66) and few._filled.shape == (60, 12)
    assert Columns(values, PAIRS)._filled.shape[1] > 7  # those whose rounding would show


def test_intervals_and_p_values_are_those_of_the_differences(values: np.ndarray, monkeypatch) -> None:
    monkeypatch.setattr(columns, "WIDE", 5)
    side = Hierarchy.of([f"{k % 9}" for k in range(60)], ["v"] * 60)
    whole = made(values)
    few = [found(Columns(values, PICKS), side) for found in (bounds, chances)]
    for one, other in zip(few, (bounds(whole, side), chances(whole, side))):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-15)


def bounds(x: np.ndarray | Columns, side: Hierarchy) -> np.ndarray:
    return intervals(x, side, side, 500, 0.95, np.random.default_rng(0))


def chances(x: np.ndarray | Columns, side: Hierarchy) -> np.ndarray:
    return sign_flip_p(x, 500, np.random.default_rng(0))


@pytest.mark.parametrize("crossed", [False, True])
def test_the_size_of_a_block_moves_no_resample(crossed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resampling, "DRAWS_AT_A_TIME", 200)
    driving = Hierarchy.of([f"{k % 9}" for k in range(60)], [f"{k % 4}" for k in range(60)])
    source = Hierarchy.of([f"{k % 7}" for k in range(60)], ["v"] * 60) if crossed else driving

    def drawn() -> list[np.ndarray]:
        return list(resamples(source, driving, 50, np.random.default_rng(0)))

    large = drawn()
    monkeypatch.setattr(resampling, "BLOCK", 1)
    small = drawn()
    assert len(small) > len(large) == 1
    np.testing.assert_array_equal(np.concatenate(small), np.concatenate(large))
