"""Bradley and Terry: closed forms, an independent fit, planted strengths, strengths without a limit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.study.scoring import preference
from bench.study.scoring.simulate import comparisons

MODELS = ["a", "b", "c", "d"]
PLANTED = {"a": 1.0, "b": 0.4, "c": -0.2, "d": -1.2}


def votes_of(won: int, tied: int, lost: int) -> pd.DataFrame:
    grade = np.array([1.0] * won + [0.0] * tied + [-1.0] * lost)
    names = [f"r{place % 7}" for place in range(len(grade))]
    clips = [f"c{place % 5}" for place in range(len(grade))]
    return pd.DataFrame({"rater": names, "clip": clips, "model": "a", "other_model": "b", "grade": grade})


@given(st.integers(1, 60), st.integers(1, 60))
@settings(max_examples=30, deadline=None)
def test_of_two_models_it_is_the_logit_of_the_share(won, lost):
    found = preference.fit(votes_of(won, 0, lost), ["a", "b"])
    assert found.strengths[0] - found.strengths[1] == pytest.approx(np.log(won / lost), abs=1e-6)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
@settings(max_examples=30, deadline=None)
def test_of_two_models_with_ties_it_is_davidsons_closed_form(won, tied, lost):
    """P(a) : P(tie) : P(b) = won : tied : lost exactly: two parameters for two free shares."""
    found = preference.fit(votes_of(won, tied, lost), ["a", "b"])
    assert found.strengths[0] - found.strengths[1] == pytest.approx(np.log(won / lost), abs=1e-6)
    assert found.nu == pytest.approx(tied / (won * lost) ** 0.5, rel=1e-6)


def test_it_is_the_log_linear_model_of_statsmodels():
    sm = pytest.importorskip("statsmodels.api")
    votes = comparisons(PLANTED, 30, 10, np.random.default_rng(0), ties=0.6)
    found = preference.fit(votes, MODELS, order=False)
    counts = votes.groupby(["model", "other_model", "grade"]).size().rename("n").reset_index()
    cells = pd.DataFrame(
        [(i, j, g) for i in MODELS for j in MODELS if i != j for g in (1.0, 0.0, -1.0)],
        columns=["model", "other_model", "grade"],
    ).merge(counts, how="left")
    x = {f"{i}{j}": ((cells["model"] == i) & (cells["other_model"] == j)).astype(float) for i in MODELS for j in MODELS}
    x = {name: column for name, column in x.items() if column.any()}
    for model in MODELS[1:]:
        side = (cells["model"] == model).astype(float) - (cells["other_model"] == model).astype(float)
        x[model] = side * cells["grade"] / 2
    x["tie"] = (cells["grade"] == 0).astype(float)
    fitted = sm.GLM(cells["n"].fillna(0), pd.DataFrame(x), family=sm.families.Poisson()).fit()
    own = found.strengths - found.strengths[0]
    assert own[1:] == pytest.approx(fitted.params[MODELS[1:]].to_numpy(), abs=1e-5)
    assert np.log(found.nu) == pytest.approx(fitted.params["tie"], abs=1e-5)
    errors = np.sqrt(np.diag(found.covariance))
    assert errors == pytest.approx(fitted.bse[[*MODELS[1:], "tie"]].to_numpy(), rel=1e-4)


@pytest.mark.parametrize(("ties", "first"), [(0.0, 0.0), (0.7, 0.0), (0.5, 0.8)])
def test_planted_strengths_ties_and_order_are_found_again(ties, first):
    votes = comparisons(PLANTED, 120, 20, np.random.default_rng(1), ties=ties, first=first)
    found = preference.fit(votes, MODELS)
    assert found.strengths == pytest.approx(list(PLANTED.values()), abs=0.12)
    assert found.nu == pytest.approx(ties, abs=0.06) and found.first[0] == pytest.approx(first, abs=0.08)


def test_intervals_of_differences_hold_the_planted_ones():
    held, rng = [], np.random.default_rng(2)
    for _ in range(80):
        found = preference.fit(comparisons(PLANTED, 20, 8, rng, ties=0.4, each=24), MODELS)
        value, low, high, _, _ = found.contrast(np.array([1.0, 0, 0, -1]))
        held.append(low <= 2.2 <= high)
        assert low < value < high
    assert 0.88 <= np.mean(held) <= 1


def test_the_order_of_models_changes_no_difference():
    votes = comparisons(PLANTED, 20, 8, np.random.default_rng(3), ties=0.4)
    one, other = preference.fit(votes, MODELS), preference.fit(votes, MODELS[::-1])
    assert one.strengths == pytest.approx(other.strengths[::-1], abs=1e-8)
    assert one.contrast(np.array([1.0, -1, 0, 0])) == pytest.approx(other.contrast(np.array([0, 0, -1.0, 1])), rel=1e-6)


def of_rows(*rows: tuple[str, str, int, int]) -> pd.DataFrame:
    """Votes on pairs: shown first, shown second, grade, and how often."""
    votes = [(first, second, grade) for first, second, grade, times in rows for _ in range(times)]
    table = pd.DataFrame(votes, columns=["model", "other_model", "grade"])
    return table.assign(rater=[f"r{n % 4}" for n in range(len(table))], clip=[f"c{n % 5}" for n in range(len(table))])


def test_of_two_models_and_both_orders_it_is_davidson_and_beavers_closed_form():
    """Without ties: logit of a's share where a is first is gap + first, where a is second gap - first."""
    found = preference.fit(
        of_rows(("a", "b", 1, 12), ("a", "b", -1, 4), ("b", "a", 1, 5), ("b", "a", -1, 10)), ["a", "b"]
    )
    as_first, as_second = np.log(12 / 4), np.log(10 / 5)
    assert found.strengths[0] - found.strengths[1] == pytest.approx((as_first + as_second) / 2, abs=1e-8)
    assert found.first[0] == pytest.approx((as_first - as_second) / 2, abs=1e-8)


@pytest.mark.parametrize(
    ("votes", "models"),
    [
        (votes_of(9, 0, 0), "ab"),
        (votes_of(9, 1, 0), "ab"),  # one tie puts no limit: its weight can grow with the distance
        (votes_of(0, 9, 0), "ab"),
        (votes_of(3, 0, 3), "abc"),  # c was never shown
        (of_rows(("a", "b", 1, 9), ("a", "b", 0, 2), ("c", "d", 1, 9), ("c", "d", 0, 2), ("a", "c", 0, 3)), "abcd"),
    ],
)
def test_strengths_that_have_no_limit_are_refused_with_the_reason(votes, models):
    assert preference.undefined(votes, list(models))
    with pytest.raises(ValueError, match=r"\w"):
        preference.fit(votes, list(models))


def test_a_model_that_only_tied_has_a_strength_where_others_say_what_a_tie_is():
    votes = of_rows(("a", "b", 1, 9), ("a", "b", 0, 2), ("b", "c", 1, 5), ("b", "c", 0, 3), ("b", "c", -1, 4))
    assert preference.undefined(votes, ["a", "b", "c"]) is None
    found = preference.fit(votes, ["a", "b", "c"])
    assert 0 < found.strengths[0] - found.strengths[1] < 20 and found.nu < 5


@pytest.mark.parametrize(
    "votes",
    [
        of_rows(("a", "b", 1, 10), ("b", "a", 1, 5), ("b", "a", -1, 5)),  # a never lost where it was first
        of_rows(("a", "b", 1, 9), ("a", "b", -1, 5), ("c", "b", 1, 4), ("c", "b", -1, 5)),  # b was never first
    ],
)
def test_what_the_first_shown_gains_is_left_out_where_votes_do_not_tell(votes):
    models = sorted({*votes["model"], *votes["other_model"]})
    found = preference.fit(votes, models)
    assert found.first is None and np.abs(found.strengths).max() < 3
    assert found.strengths == pytest.approx(preference.fit(votes, models, order=False).strengths)
