"""Errors over raters and clips: the analysis of variance, its limits, and what a rater adds to a difference."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.study.scoring.panel import Panel
from bench.study.scoring.simulate import Spread, comparisons, expected_grade, grades


def table(values: np.ndarray, group: str = "a") -> pd.DataFrame:
    rows = [(f"r{r}", f"c{c}", group, value) for (r, c), value in np.ndenumerate(values)]
    return pd.DataFrame(rows, columns=["rater", "clip", "group", "grade"])


def mean_squares(y: np.ndarray) -> tuple[float, float, float]:
    raters, clips = y.shape
    rows, columns = y.mean(1), y.mean(0)
    rest = y - rows[:, None] - columns + y.mean()
    return (
        clips * rows.var(ddof=1),
        raters * columns.var(ddof=1),
        float((rest**2).sum() / ((raters - 1) * (clips - 1))),
    )


def test_a_balanced_table_has_the_error_of_the_analysis_of_variance():
    rng = np.random.default_rng(0)
    y = 3 + rng.normal(0, 0.6, (9, 1)) + rng.normal(0, 0.5, (1, 6)) + rng.normal(0, 0.7, (9, 6))
    of_raters, of_clips, rest = mean_squares(y)
    found = Panel(table(y)).of("a")
    assert found.value == pytest.approx(y.mean())
    assert found.se**2 == pytest.approx((of_raters + of_clips - rest) / y.size, rel=1e-9)
    assert (found.n, found.raters, found.clips) == (54, 9, 6)
    parts = [(of_raters, 8), (of_clips, 5), (rest, 40)]
    satterthwaite = (of_raters + of_clips - rest) ** 2 / sum(square**2 / df for square, df in parts)
    assert found.df == pytest.approx(satterthwaite, rel=1e-9)


def test_a_difference_loses_what_a_rater_and_a_clip_add_to_both_models():
    rng = np.random.default_rng(1)
    shared = rng.normal(0, 2, (8, 1)) + rng.normal(0, 2, (1, 5))
    a, b = (shared + rng.normal(0, 0.1, (8, 5)) + level for level in (1.0, 0.0))
    panel = Panel(pd.concat([table(a, "a"), table(b, "b")]))
    found = panel.difference("a", "b")
    assert found.value == pytest.approx((a - b).mean())
    assert found.se < 0.1 < panel.of("a").se
    assert found.p < 1e-4 and panel.difference("b", "a").value == -found.value


def test_one_rater_on_one_clip_has_no_interval():
    found = Panel(table(np.array([[3.0]]))).of("a")
    assert found.value == 3 and np.isnan([found.low, found.high, found.se, found.p]).all()


def test_without_any_spread_there_is_neither_interval_nor_test():
    panel = Panel(pd.concat([table(np.full((4, 3), 2.1), "a"), table(np.full((4, 3), 3.3), "b")]))
    for found, value in ((panel.of("a"), 2.1), (panel.difference("a", "b"), -1.2)):
        assert found.value == pytest.approx(value) and found.se == pytest.approx(0, abs=1e-9)
        assert np.isnan([found.low, found.high, found.p]).all()


def test_where_raters_and_clips_add_nothing_the_error_is_that_of_chance():
    """A checkerboard: MS_raters = MS_clips = 0, and MS_rest = 1 with one degree of freedom, so se = (1 / 4)^0.5."""
    found = Panel(table(np.array([[4.0, 3.0], [3.0, 4.0]]))).of("a")
    assert (found.value, found.se, found.df) == pytest.approx((3.5, 0.5, 1))


def test_with_one_clip_the_interval_is_students_over_raters():
    y = np.array([[1.0], [2.0], [4.0], [5.0], [3.0]])
    found = Panel(table(y)).of("a")
    assert found.se == pytest.approx(y.std(ddof=1) / 5**0.5) and found.df == pytest.approx(4)
    assert found.high - found.low == pytest.approx(2 * 2.7764451 * found.se, rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_neither_the_order_of_votes_nor_names_matter(seed):
    rng = np.random.default_rng(seed)
    votes = table(rng.integers(1, 6, (5, 4)).astype(float)).sample(frac=0.8, random_state=seed)
    one, other = Panel(votes, n=200).of("a"), Panel(votes.sample(frac=1, random_state=seed + 1), n=200).of("a")
    assert (one.value, one.se) == pytest.approx((other.value, other.se))
    assert one.low <= one.value <= one.high and (one.low, one.high) == pytest.approx((other.low, other.high))


def test_made_up_grades_have_the_mean_that_is_computed_for_them():
    rng = np.random.default_rng(5)
    spread = Spread(rater=0.5, clip=0.5, rater_model=0.2, clip_model=0.2, noise=0.8)
    votes = grades({"a": 4.4, "b": 2.0}, 400, 300, rng, spread=spread, each=300)
    for model, quality in (("a", 4.4), ("b", 2.0)):
        own = votes.loc[votes["model"] == model, "grade"]
        assert own.mean() == pytest.approx(expected_grade(quality, spread, (1, 2, 3, 4, 5)), abs=0.12)


def test_made_up_comparisons_follow_their_strengths():
    votes = comparisons({"a": 1.0, "b": 0.0}, 200, 50, np.random.default_rng(6), ties=0.5, first=0.4)
    gap = np.where(votes["model"] == "a", 1.0, -1.0) + 0.4
    weights = np.exp(gap / 2), 0.5, np.exp(-gap / 2)
    assert (votes["grade"] == 1).mean() == pytest.approx((weights[0] / sum(weights)).mean(), abs=0.015)
    assert (votes["grade"] == 0).mean() == pytest.approx((weights[1] / sum(weights)).mean(), abs=0.015)


@pytest.mark.parametrize("each", [None, 12])
def test_intervals_hold_the_truth_where_plain_ones_do_not(each):
    """100 small studies; the large simulation is tools/study_coverage.py."""
    rng = np.random.default_rng(7)
    truth = expected_grade(3.4, Spread(), (1, 2, 3, 4, 5))
    held, plain = [], []
    for seed in range(100):
        votes = grades({"a": 3.4, "b": 2.8}, 16, 10, rng, each=each).rename(columns={"model": "group"})
        found = Panel(votes, n=200, seed=seed).of("a")
        own = votes.loc[votes["group"] == "a", "grade"]
        held.append(found.low <= truth <= found.high)
        plain.append(abs(own.mean() - truth) <= 1.96 * own.std() / len(own) ** 0.5)
    assert np.mean(held) > 0.89 and np.mean(plain) < 0.85
