"""Intervals over clustered pairs against closed forms, SciPy, and what must not move them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from bench.stats.intervals import intervals, spread_between_people
from bench.stats.resampling import Hierarchy, resamples, sums_by, weighted_means


def hierarchy(sizes: list[list[int]]) -> Hierarchy:
    """sizes: for each identity the pairs of each of its videos."""
    names = [(f"{i:03}", f"{v:03}") for i, videos in enumerate(sizes) for v, n in enumerate(videos) for _ in range(n)]
    return Hierarchy.of(*zip(*names))


def interval(x: np.ndarray, side: Hierarchy, n: int = 10_000, source: Hierarchy | None = None) -> np.ndarray:
    return intervals(x[:, None], source or side, side, n, 0.95, np.random.default_rng(0))[:, 0]


def test_sums_by_label():
    columns = np.arange(8.0).reshape(4, 2)
    assert np.array_equal(sums_by(np.array([1, 0, 1, 0]), columns), [[8, 10], [4, 6]])


def test_balanced_one_way_layout_in_closed_form():
    """Student's interval of the people's means, whatever the pairs do within them."""
    side = hierarchy([[5, 5, 5, 5]] * 8)
    rng = np.random.default_rng(1)
    x = (rng.normal(size=(8, 1)) + rng.normal(size=(8, 20))).ravel()
    means = x.reshape(8, 20).mean(1)
    error, people = spread_between_people(x[:, None], side, side)
    assert error[0] == pytest.approx(stats.sem(means)) and people[0] == pytest.approx(8)
    low, high = interval(x, side)
    expected = stats.t.interval(0.95, 7, means.mean(), stats.sem(means))
    assert high - low == pytest.approx(expected[1] - expected[0], rel=0.04)
    assert (low + high) / 2 == pytest.approx(x.mean(), abs=0.05 * (high - low))


def test_crossed_lists_in_closed_form():
    """x = a_source + b_driving on the full square: the cells have nothing of their own but the two sides' sums."""
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=7), rng.normal(size=5)
    cells = [(i, j) for i in range(7) for j in range(5)]
    source, driving = (Hierarchy.of([str(c[side]) for c in cells], ["v"] * 35) for side in (0, 1))
    x = np.array([a[i] + b[j] for i, j in cells])
    both, people = spread_between_people(x[:, None], source, driving)
    within = np.square(x - x.mean()).sum() / 35**2
    expected = max(a.var() / 7 + b.var() / 5 - within, a.var() / 7, b.var() / 5)
    assert people[0] == pytest.approx(5)
    assert both[0] ** 2 == pytest.approx(expected * 5 / 4)


def test_many_independent_pairs_give_scipys_bootstrap():
    x = np.random.default_rng(3).gamma(2, size=400)
    side = Hierarchy.of([f"{i:03}" for i in range(400)], ["v"] * 400)
    plain = stats.bootstrap((x,), np.mean, n_resamples=10_000, method="percentile", rng=1).confidence_interval
    assert interval(x, side) == pytest.approx(tuple(plain), abs=0.006 * x.std())


def test_one_identity_keeps_the_bootstrap_over_videos_and_pairs():
    side = hierarchy([[6, 6, 6]])
    x = np.random.default_rng(4).normal(size=18)
    means = weighted_means(x[:, None], resamples(side, side, 2000, np.random.default_rng(0)))[:, 0]
    assert interval(x, side, 2000) == pytest.approx(np.quantile(means, [0.025, 0.975]))


def test_people_that_do_not_differ_keep_the_bootstrap():
    """A rate that is the same for all by chance is not known exactly."""
    low, high = interval(np.array([0.0, 1.0] * 9), hierarchy([[6]] * 3))
    assert low < 0.45 and high > 0.55


def test_nothing_finite_and_one_side_of_one_person():
    source, driving = hierarchy([[12]]), hierarchy([[3]] * 4)
    x = np.random.default_rng(5).normal(size=12)
    both = np.stack([x, np.full(12, np.nan)], axis=1)
    found = intervals(both, source, driving, 4000, 0.95, np.random.default_rng(0))
    means = x.reshape(4, 3).mean(1)
    assert np.isnan(found[:, 1]).all()
    assert found[1, 0] - found[0, 0] == pytest.approx(2 * stats.t.ppf(0.975, 3) * stats.sem(means), rel=0.1)


lists = st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=4), min_size=1, max_size=8)


@settings(max_examples=40, deadline=None)
@given(lists, st.integers(0, 2**32 - 1), st.floats(0.1, 100), st.floats(-100, 100))
def test_any_list(sizes: list[list[int]], seed: int, scale: float, shift: float):
    """The interval holds the mean, follows scale and shift, is mirrored with its values; pairs of NaN take no part."""
    side = hierarchy(sizes)
    x = np.random.default_rng(seed).normal(size=len(side.video))
    gaps = np.where(np.arange(len(x)) % 3 == 1, np.nan, x)
    assume(len(x) > 2)
    columns = np.stack([x, scale * x + shift, -x, gaps], axis=1)
    found = intervals(columns, side, side, 400, 0.95, np.random.default_rng(0))
    assert (found[0] <= np.nanmean(columns, axis=0) + 1e-9).all() and (
        np.nanmean(columns, axis=0) - 1e-9 <= found[1]
    ).all()
    assert found[:, 1] == pytest.approx(scale * found[:, 0] + shift, abs=1e-6 * (scale + abs(shift)))
    assert found[:, 2] == pytest.approx(-found[::-1, 0])
    alone = intervals(gaps[:, None], side, side, 400, 0.95, np.random.default_rng(0))
    assert alone[:, 0] == pytest.approx(found[:, 3])
