from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.refused import refused

from protocols.augment import READINGS, augment, different_scale, draw_factors, frozen_factors
from protocols.draw import Draws
from protocols.errors import DataError
from protocols.pairs import FrameRef, Pair, PairList

factors = st.floats(0.7, 1.3)


def _same_identity(n: int) -> PairList:
    frame = FrameRef("vox1", "test/a.mp4", "0000001")
    return PairList("list", 1, tuple(Pair(f"{i:04d}", frame, frame, frame, None, "a", "a") for i in range(n)))


def _noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@given(side=st.integers(1, 70))
def test_factors_of_one_change_nothing(side: int):
    image = _noise(side, side)
    np.testing.assert_array_equal(augment(image, 1.0, 1.0), image)


@settings(max_examples=40)
@given(alpha=factors, beta=factors, side=st.integers(8, 70))
def test_size_is_kept(alpha: float, beta: float, side: int):
    made = augment(_noise(side, side), alpha, beta)
    assert made.shape == (side, side, 3)
    assert made.dtype == np.uint8


def test_a_wide_frame_gets_black_bars_above_and_below():
    white = np.full((100, 100, 3), 255, np.uint8)
    made = augment(white, 0.8, 1.2)  # 80 x 120, padded to 120 x 120: a sixth of the height on each side
    bar = round(100 * 20 / 120)
    assert (made[: bar - 2] == 0).all() and (made[-(bar - 2) :] == 0).all()
    assert (made[bar + 2 : -(bar + 2)] == 255).all()
    turned = augment(white, 1.2, 0.8)
    np.testing.assert_array_equal(turned, made.transpose(1, 0, 2))


def test_alpha_is_height_and_beta_width():
    image = np.zeros((96, 96, 3), np.uint8)
    image[32:64, 32:64] = 255
    lit = augment(image, 0.75, 1.25)[..., 0] > 127  # 72 x 120 in 120 x 120, back to 96 x 96
    assert lit.any(1).sum() == pytest.approx(32 * 0.75 / 1.25, abs=1)
    assert lit.any(0).sum() == pytest.approx(32, abs=1)


def test_equal_factors_only_blur():
    smooth = np.broadcast_to(np.linspace(0, 255, 64)[:, None, None], (64, 64, 3)).astype(np.uint8)
    assert np.abs(augment(smooth, 0.8, 0.8).astype(int) - smooth)[2:-2].max() <= 3


def test_frozen_factors_are_what_the_function_draws():
    assert frozen_factors() == draw_factors(2083)
    values = np.array(frozen_factors())
    assert values.shape == (2083, 4)
    assert values.min() >= 0.7 and values.max() <= 1.3
    assert values.mean() == pytest.approx(1.0, abs=0.01)
    assert values.std() == pytest.approx(0.6 / 12**0.5, abs=0.005)


@given(seed=st.integers(0, 2**32), n=st.integers(1, 20))
def test_factors_are_in_range_and_longer_lists_go_on(seed: int, n: int):
    drawn = draw_factors(n, seed)
    assert all(0.7 <= value <= 1.3 and value == round(value, 6) for row in drawn for value in row)
    assert draw_factors(n + 1, seed)[:n] == drawn


def test_two_readings_of_4166():
    base = _same_identity(2083)
    both, original = (different_scale(base, reading) for reading in READINGS)
    assert len(both) == len(original) == 4166
    assert [pair.id for pair in both.pairs[:3]] == ["0000-a", "0000-b", "0001-a"]
    assert [pair.id for pair in original.pairs[:3]] == ["0000-a", "0000-o", "0001-a"]
    assert both.pairs[0] == original.pairs[0]
    assert (original.pairs[1].alpha, original.pairs[1].beta) == (1, 1)
    assert both.sha256 != original.sha256
    assert all(pair.target == base.pairs[0].target for pair in both.pairs)


def test_a_longer_list_goes_on_after_the_frozen_factors():
    assert different_scale(_same_identity(2100)).pairs[:4166] == different_scale(_same_identity(2083)).pairs


def test_what_cannot_be_made_different():
    base = _same_identity(2)
    with refused(DataError, "unknown-reading"):
        different_scale(base, "three-draws")
    with refused(DataError, "wrong-pairs", "same-identity"):
        different_scale(different_scale(base))


def test_the_raw_stream_is_the_one_expected():
    """The first numbers of PCG64 as drawn when the lists were frozen; another stream would change every list."""
    draws = Draws(7, "test")
    assert [draws.below(1000) for _ in range(5)] == EXPECTED
    assert sorted(draws.some(range(9), 9)) == list(range(9))


EXPECTED = [88, 685, 117, 768, 619]
