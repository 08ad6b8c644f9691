"""Intervals of set distances: they hold what other people would give, where percentiles of resamples do not."""

from __future__ import annotations

import numpy as np
import pytest

from bench.metrics.sets.enough import frechet_warnings, halves, kid_warnings
from bench.metrics.sets.frechet import distance, fit
from bench.metrics.sets.intervals import People, frechet_interval, kid_interval, pairs
from bench.metrics.sets.kid import kid


def two_sets(rng: np.random.Generator, people: int, rows: int, width: int, gap: float) -> tuple[np.ndarray, np.ndarray]:
    scale = 1 / np.sqrt(1 + np.arange(width))
    person = rng.normal(size=(people, 1, width))
    real = person + 0.6 * rng.normal(size=(people, rows, width))
    fake = person + gap + 0.3 * rng.normal(size=(people, 1, width)) + 0.6 * rng.normal(size=(people, rows, width))
    return (real * scale).reshape(-1, width), (fake * scale).reshape(-1, width)


def names(people: int, rows: int) -> np.ndarray:
    return np.repeat([f"p{k}" for k in range(people)], rows)


def test_values_are_the_distances_and_the_order_of_rows_does_not_matter():
    rng = np.random.default_rng(0)
    real, fake = two_sets(rng, 6, 5, 8, 0.3)
    who = names(6, 5)
    order = rng.permutation(30)
    people, shuffled = People.of(who, who), People.of(who[order], who)
    for found, again, value in (
        (
            frechet_interval(fit(real), fit(fake), people),
            frechet_interval(fit(real[order]), fit(fake), shuffled),
            distance(fit(real), fit(fake)).value,
        ),
        (kid_interval(real, fake, people), kid_interval(real[order], fake, shuffled), kid(real, fake)),
    ):
        assert found.value == pytest.approx(value) and again.value == pytest.approx(value)
        assert again.interval == pytest.approx(found.interval)
        assert found.interval[0] < value < found.interval[1] and found.people == 6


def test_kernel_distance_of_resamples_is_exact():
    """Against copies of the drawn people's rows, where pairs of two copies of one person are left out."""
    rng = np.random.default_rng(1)
    x = two_sets(rng, 4, 3, 5, 0.3)[0]
    who = names(4, 3)
    people = People.of(who, who)
    drawn = np.array([[2.0, 0, 1, 1]])
    copies = [x[:3], x[:3], x[6:9], x[9:]]
    total = count = 0.0
    for a, one in enumerate(copies):
        for b, other in enumerate(copies):
            if (a, b) in ((0, 1), (1, 0)):
                continue
            values = (one @ other.T / 5 + 1) ** 3
            total += values.sum() - (np.trace(values) if a == b else 0)
            count += values.size - (3 if a == b else 0)
    assert pairs(x, people.one, people).mean(drawn)[0] == pytest.approx(total / count)


def test_gradient_of_the_kernel_means_is_their_derivative():
    rng = np.random.default_rng(2)
    x = two_sets(rng, 5, 4, 6, 0.0)[0]
    people = People.of(names(5, 4), names(5, 4))
    table = pairs(x, people.one, people)
    for person in range(5):
        step = np.zeros((2, 5))
        step[:, person] = 1e-5, -1e-5
        slope = np.subtract(*table.mean(1 + step)) / 2e-5
        assert table.gradient()[person] == pytest.approx(slope, rel=1e-6, abs=1e-8)


def test_people_of_one_set_are_drawn_apart():
    people = People.of(["a", "a", "b", "c"], ["b", "d", "e"])
    drawn = people.draw(50, np.random.default_rng(0))
    assert (drawn[:, [0, 2]].sum(1) == 2).all()  # a and c, of the first set alone
    assert (drawn[:, [3, 4]].sum(1) == 2).all()
    assert (drawn[:, 1] == 1).all()  # b, in both


def test_one_person_has_no_interval():
    rng = np.random.default_rng(3)
    real, fake = rng.normal(size=(2, 10, 3))
    people = People.of(["a"] * 10, ["a"] * 10)
    assert np.isnan(frechet_interval(fit(real), fit(fake), people).interval).all()
    assert np.isnan(kid_interval(real, fake, people).interval).all()


@pytest.mark.parametrize("people", [6, 20])
def test_coverage(people):
    """Of the mean distance that many draws of as many people give, by 95 % intervals."""
    rng = np.random.default_rng(7)
    who = People.of(names(people, 6), names(people, 6))
    frechet, kernel = [], []
    for _ in range(120):
        real, fake = two_sets(rng, people, 6, 8, 0.3)
        frechet.append(frechet_interval(fit(real), fit(fake), who, 200))
        kernel.append(kid_interval(real, fake, who, 200))
    for found in (frechet, kernel):
        mean = np.mean([one.value for one in found])
        inside = np.mean([one.interval[0] <= mean <= one.interval[1] for one in found])
        assert inside >= 0.85
        widths = np.mean([np.ptp(one.interval) for one in found]) / 4
        assert widths < 2.2 * np.std([one.value for one in found])  # nor is it wide for nothing


def test_few_rows_and_few_people_are_said():
    assert frechet_warnings((3000, 2500), 2048, 40) == []
    assert len(frechet_warnings((3000, 2048), 2048, 40)) == 1
    assert len(frechet_warnings((30, 3000), 2048, 3)) == 2
    assert kid_warnings((100, 300), 10) == [] and len(kid_warnings((99, 300), 9)) == 2


def test_halves_split_people_and_rows():
    who = np.repeat(["a", "b", "c", "d", "e"], [10, 10, 10, 10, 8])
    first = halves(who)
    assert all(len(set(first[who == name])) == 1 for name in "abcde")
    assert 18 <= first.sum() <= 30
    assert np.array_equal(first, halves(who))
