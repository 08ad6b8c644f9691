"""Fréchet and kernel distances: published numbers, other ways of computing them, and what a distance must be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.metrics.sets import frechet, frechet_scripts, kid
from bench.metrics.sets.frechet import distance, fit
from bench.parity.fid_fvd import make_features

SEEDS = st.integers(0, 10_000)


def pair(reals: int, fakes: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    return make_features("real", reals, width, 0), make_features("fake", fakes, width, 0)


# Squared distance of means, two traces, trace of the root, distance; by an independent program.
EXACT = {
    (50, 50, 64): (0.92554135, 12.17161853, 16.1000392, 11.2187593, 6.75968047),
    (50, 200, 64): (0.64666308, 12.17161853, 16.1719547, 12.15380841, 4.68261948),
    (200, 200, 64): (0.3213527, 12.15672459, 16.1719547, 13.31308522, 2.02386154),
    (50, 50, 400): (4.36211171, 79.5458631, 107.49789263, 37.31378591, 116.77829562),
}


@pytest.mark.parametrize("sizes", EXACT)
def test_the_exact_form(sizes):
    real, fake = pair(*sizes)
    assert distance(fit(real), fit(fake)).parts == pytest.approx(EXACT[sizes], abs=2e-8)


def test_population_covariances_are_another_definition():
    real, fake = pair(50, 50, 400)
    assert distance(fit(real, 0), fit(fake, 0)).value == pytest.approx(114.52997194, abs=2e-8)


@pytest.mark.parametrize(
    ("script", "sizes", "value", "tolerance"),
    [
        (frechet_scripts.pytorch_fid, (50, 50, 64), 6.75968037, 4e-7),
        (frechet_scripts.pytorch_fid, (200, 200, 64), 2.02386154, 1e-8),
        (frechet_scripts.torch_fidelity, (200, 200, 64), 2.02386138, 1e-8),
        (frechet_scripts.stylegan_v, (200, 200, 64), 2.015349, 1e-8),
        (frechet_scripts.common_styleganv, (200, 200, 64), 2.02386138, 1e-8),
        (frechet_scripts.videogpt, (200, 200, 64), 2.02364612, 6e-4),
        (frechet_scripts.with_eps, (50, 50, 400), 116.77455169, 2e-8),
    ],
)
@pytest.mark.filterwarnings("ignore:Matrix is singular")
def test_the_scripts(script, sizes, value, tolerance):
    assert script(*pair(*sizes)) == pytest.approx(value, abs=tolerance)


def test_videogpt_leaves_its_arguments_as_they_are():
    real, fake = pair(50, 50, 64)
    before = real.copy()
    frechet_scripts.videogpt(real, fake)
    assert np.array_equal(real, before)


def test_a_single_row_has_no_covariance():
    real, fake = pair(50, 50, 64)
    found = distance(fit(real[:1]), fit(fake[:1]))
    assert found.value == pytest.approx(float(np.square(real[0].astype(float) - fake[0]).sum()))


@given(SEEDS, st.integers(2, 30), st.integers(2, 30), st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_frechet_properties(seed, n1, n2, width):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n1, width)), 2 * rng.normal(size=(n2, width)) + 0.5
    value = distance(fit(x), fit(y)).value
    rotation = np.linalg.qr(rng.normal(size=(width, width)))[0]
    shift = rng.normal(size=width)
    assert value >= -1e-9
    assert distance(fit(y), fit(x)).value == pytest.approx(value, abs=1e-9)
    assert distance(fit(x), fit(x)).value == pytest.approx(0, abs=1e-9)
    assert distance(fit(rng.permutation(x)), fit(y)).value == pytest.approx(value, abs=1e-9)
    assert distance(fit(x @ rotation + shift), fit(y @ rotation + shift)).value == pytest.approx(value, abs=1e-8)


@pytest.mark.parametrize("sizes", [(12, 9, 30), (12, 40, 20), (60, 80, 10), (40, 12, 20)])
def test_the_root_is_the_nuclear_norm_and_dead_columns_add_nothing(sizes):
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(sizes[0], sizes[2])), rng.normal(size=(sizes[1], sizes[2]))
    x[:, 1] = y[:, 2] = 0
    one, other = fit(x), fit(y)
    norm, first, second = frechet.nuclear_norm(one, other)
    assert norm == pytest.approx(np.linalg.svd(one.centered @ other.centered.T, compute_uv=False).sum(), rel=1e-10)
    assert first.sum() == pytest.approx(norm, rel=1e-6) and second.sum() == pytest.approx(norm, rel=1e-6)


@pytest.mark.parametrize("sizes", [(12, 9, 30), (60, 80, 10)])
def test_influence_is_the_derivative_by_a_row_s_weight(sizes):
    """A weight of 1 + step: by copies of every row, one of which has one more."""
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(sizes[0], sizes[2])), rng.normal(size=(sizes[1], sizes[2]))
    found = distance(fit(x, 0), fit(y, 0))
    copies = 200

    def moved(which: int, row: int) -> float:
        many = [np.repeat(side, copies, axis=0) for side in (x, y)]
        many[which] = np.vstack([many[which], (x, y)[which][row : row + 1]])
        return (distance(fit(many[0], 0), fit(many[1], 0)).value - found.value) * copies

    for which, row in ((0, 3), (0, 7), (1, 0), (1, 8)):
        assert moved(which, row) == pytest.approx(found.influence[which][row], rel=0.03, abs=0.003)


# Mean and deviation over subsets by torch-fidelity, mean by clean-fid, and the estimate on all rows.
KID = {
    (50, 50, 64, 10, 20): (0.02472081, 0.0272131, 0.0567825, 0.03441452),
    (200, 200, 64, 50, 100): (0.01526738, 0.00571872, 0.01647921, 0.01648097),
}


@pytest.mark.parametrize("case", KID)
@pytest.mark.parametrize("whole", [True, False])
def test_kid_as_the_scripts_print_it(case, whole, monkeypatch):
    if not whole:
        monkeypatch.setattr(kid, "WHOLE", 1)
    real, fake = pair(*case[:3])
    mean, deviation, clean, everything = KID[case]
    drawn = kid.subsets(real, fake, kid.torch_fidelity_draw(), *case[3:])
    assert (np.mean(drawn), np.std(drawn)) == pytest.approx((mean, deviation), abs=1e-6)
    assert np.mean(kid.subsets(real, fake, kid.clean_fid_draw(), *case[3:])) == pytest.approx(clean, abs=1e-6)
    assert kid.kid(real.astype(float), fake.astype(float)) == pytest.approx(everything, abs=1e-8)
    assert kid.kid(real, fake) == pytest.approx(everything, abs=1e-7)


@given(SEEDS, st.integers(2, 20), st.integers(2, 20), st.integers(1, 8))
@settings(max_examples=40, deadline=None)
def test_kid_properties(seed, n1, n2, width):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n1, width)), rng.normal(size=(n2, width)) + 0.5
    value = kid.kid(x, y)
    rotation = np.linalg.qr(rng.normal(size=(width, width)))[0]
    assert kid.kid(y, x) == pytest.approx(value, rel=1e-9)
    assert kid.kid(rng.permutation(x), y) == pytest.approx(value, rel=1e-9)
    assert kid.kid(x @ rotation, y @ rotation) == pytest.approx(value, rel=1e-8, abs=1e-8)
    assert kid.kid(x, x) <= 1e-12  # a row has no other self: nothing is as near as the pairs that are left out


def test_kid_is_unbiased_where_frechet_is_not():
    """Two samples of one distribution, few and many rows."""
    rng = np.random.default_rng(5)
    few, many = ([rng.normal(size=(2, n, 4)) for _ in range(300)] for n in (8, 32))
    values = np.array([kid.kid(*sets) for sets in few])
    assert abs(values.mean()) < 3 * values.std() / np.sqrt(len(values))
    biases = [np.mean([distance(fit(one), fit(other)).value for one, other in sets]) for sets in (few, many)]
    assert biases[0] > 3 * biases[1] > 0


def test_block_sums_are_sums_of_the_kernel(monkeypatch):
    monkeypatch.setattr(kid, "ROWS", 7)
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(23, 5)), rng.normal(size=(17, 5))
    a, b = rng.integers(0, 4, 23), rng.integers(0, 4, 17)
    inside, across = kid.kernel(x, x), kid.kernel(x, y)
    np.fill_diagonal(inside, 0)
    mine, theirs = (np.eye(4)[groups] for groups in (a, b))
    assert np.allclose(kid.block_sums(x, a, count=4), mine.T @ inside @ mine)
    assert np.allclose(kid.block_sums(x, a, y, b, 4), mine.T @ across @ theirs)
