"""Resamples of set distances: their intervals hold what other people would give."""

from __future__ import annotations

import numpy as np
import pytest

from bench.metrics.sets import estimates
from bench.metrics.sets.base import Features
from bench.metrics.sets.estimates import Pairs, People
from bench.metrics.sets.frechet import distance, fit
from bench.metrics.sets.kid import kid
from bench.stats.sets import interval

METHODS = [estimates.frechet, estimates.kid]


def two_sets(rng: np.random.Generator, people: int, rows: int, width: int, gap: float) -> list[Features]:
    """Made and real rows of the same people."""
    scale = 1 / np.sqrt(1 + np.arange(width))
    person = rng.normal(size=(people, 1, width))
    real = person + 0.6 * rng.normal(size=(people, rows, width))
    fake = person + gap + 0.3 * rng.normal(size=(people, 1, width)) + 0.6 * rng.normal(size=(people, rows, width))
    who = np.repeat([f"p{k}" for k in range(people)], rows)
    return [Features((side * scale).reshape(-1, width).astype(np.float32), who, who) for side in (fake, real)]


def width_of(values: np.ndarray) -> float:
    low, high = interval(0.0, values)
    assert low is not None and high is not None
    return high - low


@pytest.mark.parametrize("method", METHODS)
def test_values_are_the_distances_and_the_order_of_rows_does_not_matter(method):
    rng = np.random.default_rng(0)
    made, real = two_sets(rng, 6, 5, 8, 0.3)
    order = rng.permutation(30)
    (found,), (again,) = (method([one], real, 300, 1) for one in (made, made[order]))
    direct = kid(made.values, real.values), distance(fit(made.values), fit(real.values)).value
    assert found.value == pytest.approx(direct[method is estimates.frechet], rel=1e-5)  # float32 products
    assert again.value == pytest.approx(found.value, rel=1e-5)
    assert again.resampled == pytest.approx(found.resampled, rel=1e-4)
    low, high = interval(found.value, found.resampled)
    assert low < found.value < high


@pytest.mark.parametrize("method", METHODS)
def test_several_models_have_the_same_resamples(method):
    """So that a difference of models varies less than each of them."""
    rng = np.random.default_rng(1)
    made, real = two_sets(rng, 12, 5, 8, 0.4)
    near = Features(
        made.values + 0.01 * rng.normal(size=made.values.shape).astype(np.float32), made.people, made.videos
    )
    one, other = method([made, near], real, 500, 1)
    assert method([near], real, 500, 1)[0].resampled == pytest.approx(other.resampled)
    assert width_of(one.resampled - other.resampled) < 0.3 * width_of(one.resampled)


@pytest.mark.parametrize("method", METHODS)
def test_a_model_that_lacks_a_person_does_not_move_the_others(method):
    rng = np.random.default_rng(2)
    made, real = two_sets(rng, 6, 5, 8, 0.3)
    alone, beside = method([made], real, 50, 1)[0], method([made, made[made.people != "p3"]], real, 50, 1)
    assert beside[0].resampled == pytest.approx(alone.resampled)
    assert np.isfinite(beside[1].resampled).all() and beside[1].value != alone.value


def test_kernel_distance_of_resamples_is_exact():
    """Against copies of the drawn people's rows, where pairs of two copies of one person are left out."""
    x = two_sets(np.random.default_rng(3), 4, 3, 5, 0.3)[0].values.astype(float)
    copies = [x[:3], x[:3], x[6:9], x[9:]]
    total = count = 0.0
    for a, one in enumerate(copies):
        for b, other in enumerate(copies):
            if (a, b) not in ((0, 1), (1, 0)):
                values = (one @ other.T / 5 + 1) ** 3
                total += values.sum() - (np.trace(values) if a == b else 0)
                count += values.size - (3 if a == b else 0)
    found = Pairs.of(x, np.repeat(np.arange(4), 3), 4).mean(np.array([[2.0, 0, 1, 1]]))
    assert found[0] == pytest.approx(total / count)


def test_gradient_of_the_kernel_means_is_their_derivative():
    table = Pairs.of(two_sets(np.random.default_rng(4), 5, 4, 6, 0.0)[0].values, np.repeat(np.arange(5), 4), 5)
    for person in range(5):
        step = np.zeros((2, 5))
        step[:, person] = 1e-5, -1e-5
        slope = np.subtract(*table.mean(1 + step)) / 2e-5
        assert table.gradient()[person] == pytest.approx(slope, rel=1e-6, abs=1e-8)


def test_people_of_one_side_are_drawn_apart():
    (people,) = People.of([np.array(["a", "a", "b", "c"])], np.array(["b", "d", "e"]))
    drawn = people.draw(50, 0)
    assert (drawn[:, [0, 2]].sum(1) == 2).all()  # a and c, made alone
    assert (drawn[:, [3, 4]].sum(1) == 2).all()
    assert (drawn[:, 1] == 1).all()  # b, on both sides


@pytest.mark.parametrize("method", METHODS)
def test_one_person_has_no_interval_and_one_row_no_value(method):
    made, real = two_sets(np.random.default_rng(5), 3, 10, 3, 0.1)
    (one,) = method([made[:10]], real[:10], 20, 1)
    assert np.isfinite(one.value) and interval(one.value, one.resampled) == (None, None)
    (none,) = method([made[:1]], real, 20, 1)
    assert np.isnan(none.value) and np.isnan(none.resampled).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("people", [6, 20])
def test_coverage(method, people):
    """Of the mean distance that many draws of as many people give, by 95 % intervals."""
    rng = np.random.default_rng(7)
    found = []
    for _ in range(120):
        made, real = two_sets(rng, people, 6, 8, 0.3)
        found += method([made], real, 200, 1)
    values = np.array([one.value for one in found])
    ends = np.array([interval(one.value, one.resampled) for one in found])
    assert ((ends[:, 0] <= values.mean()) & (values.mean() <= ends[:, 1])).mean() >= 0.85
    assert np.mean(ends[:, 1] - ends[:, 0]) / 4 < 2.2 * values.std()  # nor is it wide for nothing
