"""Who is shown what: counts, shares, sides and orders are as even as they can be, for any numbers and seeds."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.study import design

SIZES = st.fixed_dictionaries(
    {
        "clips": st.integers(1, 6),
        "models": st.integers(2, 5),
        "raters": st.integers(1, 9),
        "each": st.integers(1, 12),
        "pairs": st.booleans(),
        "seed": st.integers(0, 99),
    }
)


def planned(clips: int, models: int, raters: int, each: int, pairs: bool, seed: int):
    there = [(f"c{clip}", f"m{model}") for clip in range(clips) for model in range(models)]
    cells = design.cells(there, pairs)
    rng = random.Random(seed)
    shares = design.assign(cells, raters, min(each, len(cells)), rng)
    return cells, shares, design.order(design.sides(shares, rng), rng)


def spread(counts: Counter, of: set) -> int:
    numbers = [counts[one] for one in of]
    return max(numbers) - min(numbers)


@settings(deadline=None, max_examples=60)
@given(SIZES)
def test_every_cell_is_asked_equally_often_and_of_nobody_twice(sizes):
    cells, shares, _ = planned(**sizes)
    assert all(len(share) == len(set(share)) == min(sizes["each"], len(cells)) for share in shares)
    assert spread(Counter(cell for share in shares for cell in share), set(cells)) <= 1


@settings(deadline=None, max_examples=60)
@given(SIZES)
def test_what_is_shown_is_what_was_assigned(sizes):
    _, shares, ordered = planned(**sizes)
    for share, turns in zip(shares, ordered):
        assert Counter((turn.clip, tuple(sorted(turn.models))) for turn in turns) == Counter(
            (cell.clip, cell.models) for cell in share
        )


@settings(deadline=None, max_examples=60)
@given(SIZES)
def test_sides_of_every_pair_are_counterbalanced(sizes):
    _, _, ordered = planned(**sizes | {"pairs": True})
    first = Counter((turn.clip, turn.models) for turns in ordered for turn in turns)
    for clip, (one, other) in list(first):
        assert abs(first[clip, (one, other)] - first[clip, (other, one)]) <= 1


@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_each_rater_has_a_fair_share_of_clips_and_models(pairs, seed):
    cells, shares, _ = planned(8, 4, 20, 17, pairs, seed)
    for share in shares:
        assert spread(Counter(cell.clip for cell in share), {cell.clip for cell in cells}) <= 1
        assert spread(Counter(cell.models for cell in share), {cell.models for cell in cells}) <= 1


@pytest.mark.parametrize("seed", range(5))
def test_over_all_cells_no_model_stands_left_more_often(seed):
    _, _, ordered = planned(7, 4, 15, 11, True, seed)
    lead = Counter()
    for turns in ordered:
        for turn in turns:
            lead.update({turn.models[0]: 1, turn.models[1]: -1})
    assert max(map(abs, lead.values())) <= 3  # of 15 * 11 / 2 for each model


@pytest.mark.parametrize("models", [2, 3, 4, 5])
def test_models_are_early_and_late_equally_often(models):
    _, _, ordered = planned(4, models, 2 * models, 4 * models, False, 3)
    at_place = [Counter(turns[place].models[0] for turns in ordered) for place in range(models)]
    names = {f"m{model}" for model in range(models)}
    assert spread(at_place[0], names) == 0
    assert max(spread(counts, names) for counts in at_place) <= 2  # where a clip would follow itself


@settings(deadline=None, max_examples=40)
@given(SIZES)
def test_no_clip_is_shown_twice_in_a_row_where_that_can_be_avoided(sizes):
    cells, _, ordered = planned(**sizes)
    for turns in ordered:
        most = max(Counter(turn.clip for turn in turns).values())
        together = sum(one.clip == other.clip for one, other in zip(turns, turns[1:]))
        if 3 * most <= len(turns):
            assert together == 0


@pytest.mark.parametrize("n", range(1, 9))
def test_a_square_counterbalances_places_and_neighbors(n):
    rows = design.square(n)
    assert all(sorted(row) == list(range(n)) for row in rows)
    for place in range(n):
        assert set(Counter(row[place] for row in rows).values()) == {len(rows) // n}
    neighbors = Counter(pair for row in rows for pair in zip(row, row[1:]))
    assert n == 1 or (len(neighbors) == n * (n - 1) and len(set(neighbors.values())) == 1)


def test_the_seed_decides():
    one, same, other = (planned(5, 3, 6, 7, True, seed)[2] for seed in (1, 1, 2))
    assert one == same != other


def test_cells_against_one_model():
    there = [(clip, model) for clip in "ab" for model in ("x", "y", "z")]
    cells = design.cells(there, True, "y")
    assert [set(cell.models) for cell in cells] == [{"x", "y"}, {"y", "z"}] * 2
    assert len(design.cells(there[:-1], True)) == 3 + 1
