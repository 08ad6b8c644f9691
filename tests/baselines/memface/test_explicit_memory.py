"""Algorithm 1 of MemFace's supplement, against a version that does literally what is printed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.memface.explicit import rms_distance, select


def closest(keys):
    """f of the algorithm: the two most similar keys and their distance."""
    best = (0, 0, np.inf)
    for i in range(len(keys)):
        for j in range(len(keys)):
            if i != j and (d := float(np.sqrt(np.square(keys[i] - keys[j]).sum(-1).mean()))) < best[2]:
                best = (i, j, d)
    return best


def literal(keys, count, seed):
    held = list(np.random.default_rng(seed).choice(len(keys), count, replace=False))
    first, second, smallest = closest(keys[held])
    history = [smallest]
    for candidate in range(len(keys)):
        one, other = list(held), list(held)
        one[first], other[second] = candidate, candidate
        d1, d2 = closest(keys[one])[2], closest(keys[other])[2]
        if max(d1, d2) > smallest:
            held = one if d1 > d2 else other
            first, second, smallest = closest(keys[held])
            history.append(smallest)
    return held, history


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 7), st.integers(8, 18), st.integers(0, 1000))
def test_it_equals_the_printed_algorithm(count, total, seed):
    keys = np.random.default_rng(seed).normal(size=(total, 4, 3))
    found = select(keys, count, seed)
    held, history = literal(keys, count, seed)
    assert found.indices.tolist() == held
    assert found.smallest == pytest.approx(history[-1], abs=1e-12)
    assert found.at_start == pytest.approx(history[0], abs=1e-12)
    assert found.accepted == len(history) - 1


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 12), st.integers(2, 40), st.integers(0, 50))
def test_the_smallest_distance_never_falls_and_no_key_is_held_twice(count, total, seed):
    keys = np.random.default_rng(seed).normal(size=(total, 3, 3))
    found = select(keys, count, seed)
    assert found.smallest >= found.at_start
    assert len(set(found.indices.tolist())) == len(found.indices) == min(count, total)
    if len(found.indices) > 1:
        assert found.smallest == pytest.approx(closest(keys[found.indices])[2])


def test_alike_frames_give_way_to_different_ones():
    keys = np.random.default_rng(1).normal(size=(40, 5, 3)) * 0.01
    keys[[7, 21, 33], :, 1] += np.array([1, 2, 4])[:, None]
    found = select(keys, 4, 3)
    assert {7, 21, 33} < set(found.indices.tolist())
    assert found.smallest == pytest.approx(1, abs=0.05)


def test_equal_frames_block_it_as_printed():
    """Three equal keys at the start leave two after any replacement, so that no smallest distance ever grows."""
    keys = np.zeros((40, 5, 3))
    keys[:3, :, 1] = np.arange(1, 4)[:, None]
    found = select(keys, 5, 0)
    assert found.accepted == 0 and found.smallest == 0


def test_distance_is_the_root_mean_square_over_vertices():
    keys = np.zeros((1, 2, 3))
    assert rms_distance(keys, np.array([[3.0, 4.0, 0.0], [0.0, 0.0, 0.0]]))[0] == pytest.approx(np.sqrt(12.5))


def test_fewer_candidates_than_slots_are_all_held_and_said():
    facts = select(np.random.default_rng(0).normal(size=(95, 69, 3)), 300, 0).facts()
    assert facts["slots"] == 95 and facts["slots_asked"] == 300 and facts["accepted"] == 0


def test_seed_and_order_decide():
    keys = np.random.default_rng(5).normal(size=(60, 6, 3))
    assert select(keys, 9, 1).indices.tolist() == select(keys, 9, 1).indices.tolist()
    assert sorted(select(keys, 9, 1).indices) != sorted(select(keys, 9, 2).indices)


@pytest.mark.parametrize("count", [0, -1])
def test_no_slots_is_an_error(count):
    with pytest.raises(ValueError, match="finite keys"):
        select(np.zeros((3, 2, 3)), count, 0)


def test_a_key_that_is_not_finite_is_an_error():
    keys = np.zeros((3, 2, 3))
    keys[1, 0, 0] = np.nan
    with pytest.raises(ValueError, match="finite keys"):
        select(keys, 2, 0)
