"""Screening: BT.500's arithmetic by hand, P.913's, checks and repeats, and how many careless raters are found."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from bench.study.scoring import screening
from bench.study.scoring.screening import screen
from bench.study.scoring.simulate import Spread, grades
from bench.study.scoring.votes import checked, passed
from protocols.errors import DataError

QUALITY = {"a": 4.2, "b": 3.2, "c": 2.0, "truth": 4.6}
SCALE = (1, 5)


def rated(values: np.ndarray) -> pd.DataFrame:
    rows = [
        (f"r{r:02}", f"t{r}-{c}", "rating", "a", "", f"c{c}", "overall", float(value))
        for (r, c), value in np.ndenumerate(values)
    ]
    columns = ["rater", "trial", "kind", "model", "other_model", "clip", "question", "grade"]
    return checked(pd.DataFrame(rows, columns=columns))


def test_bt500_leaves_out_who_is_far_off_to_both_sides_and_keeps_who_is_strict():
    """Of nineteen, four give 2, eleven 3 and four 4 on each of ten videos; the last one 5 and 1 in turn.

    On the first video: mean 3.1, second moment 0.59, fourth 1.076, so the kurtosis is 3.09: normal, and the limit is
    2 S = 2 (0.59 20/19)^0.5 = 1.576. The 5 is 1.9 from the mean, a 2 only 1.1.
    """
    pattern = [2] * 4 + [3] * 11 + [4] * 4
    values = np.array([[pattern[(r + 3 * c) % 19] for c in range(10)] for r in range(20)], float)
    values[19] = [5, 1] * 5
    found = screen(rated(values), "acr", SCALE, "bt500")
    assert list(found.reasons) == ["r19"] and re.findall(r"\b\d+ ", found.reasons["r19"][0])[:2] == ["5 ", "5 "]
    strict = values.copy()
    strict[19] = [1] * 9 + [2]  # all to one side: |P - Q| = P + Q
    assert screen(rated(strict), "acr", SCALE, "bt500").reasons == {}


def test_bt500_uses_the_wider_limit_where_grades_are_not_normal():
    """Four of 41 are two off, to both sides in turn: kurtosis 41/4, not normal, and 2 grades are between 2 S and 4.5 S.

    Of one of 41 it is near 41, S = 0.31, and 2 grades are beyond 4.5 S.
    """
    values = np.array([[2 + c % 2 for c in range(12)]] * 41, float)
    signs = np.where(np.arange(12) % 4 < 2, 1, -1)
    one = values.copy()
    one[40] = np.clip(one[40] + 2 * signs, 1, 5) + np.where((signs < 0) & (one[40] == 2), -1, 0)
    four = one.copy()
    four[36:40] = [one[40], 2 * values[0] - one[40]] * 2
    second, s = np.square(four[:, 0] - four[:, 0].mean()).mean(), four[:, 0].std(ddof=1)
    assert ((four[:, 0] - four[:, 0].mean()) ** 4).mean() / second**2 > 4
    off = abs(four[40, 0] - four[:, 0].mean())
    assert 2 * s < off < 20**0.5 * s
    assert screen(rated(four), "acr", SCALE, "bt500").reasons == {}
    assert list(screen(rated(one), "acr", SCALE, "bt500").reasons) == ["r40"]


def by_hand(values: np.ndarray) -> set[int]:
    """The steps of BT.500 one by one, for a table ``(raters, videos)`` with NaN where there is no vote."""
    out = set()
    p, q, votes = (np.zeros(len(values)) for _ in range(3))
    for column in values.T:
        given = np.flatnonzero(np.isfinite(column))
        scores = column[given]
        off = scores - scores.sum() / len(scores)
        moments = [np.power(off, power).sum() / len(scores) for power in (2, 4)]
        s = (np.square(off).sum() / (len(scores) - 1)) ** 0.5
        votes[given] += 1
        if s == 0:
            continue
        times = 2 if 2 <= moments[1] / moments[0] ** 2 <= 4 else 20**0.5
        p[given] += off >= times * s
        q[given] += off <= -times * s
    for rater, (above, below, of) in enumerate(zip(p, q, votes)):
        if (above + below) / of > 0.05 and abs((above - below) / (above + below)) < 0.3:
            out.add(rater)
    return out


def test_bt500_is_its_steps_one_by_one():
    rng, seen = np.random.default_rng(7), 0
    for _ in range(15):
        level = rng.uniform(1.5, 4.5, 30)
        values = np.clip(np.rint(level + rng.normal(0, 0.6, (20, 30))), 1, 5)
        values[:3] = np.clip(np.rint(level + rng.normal(0, 2.2, (3, 30))), 1, 5)
        values[rng.random(values.shape) < 0.15] = np.nan
        votes = rated(np.nan_to_num(values, nan=1.0))
        votes = votes[np.isfinite(values).ravel()]
        expected = by_hand(values)
        assert set(screen(votes, "acr", SCALE, "bt500").reasons) == {f"r{rater:02}" for rater in expected}
        seen += len(expected)
    assert seen > 10


def test_bt500_says_where_it_cannot_judge():
    found = screen(rated(np.random.default_rng(0).integers(1, 6, (5, 12)).astype(float)), "acr", SCALE, "bt500")
    assert found.reasons == {} and "100 %" in found.notices[0]


def test_p913_leaves_out_the_least_correlated_until_all_are_above():
    rng = np.random.default_rng(1)
    level = np.linspace(1.4, 4.6, 20)
    values = np.clip(np.rint(level + rng.normal(0, 0.4, (15, 20))), 1, 5)
    values[3] = values[3][::-1]
    found = screen(rated(values), "acr", SCALE, "p913")
    assert list(found.reasons) == ["r03"] and "correlation -" in found.reasons["r03"][0]


def test_checks_repeats_and_one_grade_for_everything():
    votes = grades(QUALITY, 12, 6, np.random.default_rng(2), checks=3, repeats=3, attentive=1.0)
    votes.loc[(votes["rater"] == "r0001") & (votes["kind"] == "attention"), "grade"] = 5
    votes.loc[(votes["rater"] == "r0002") & (votes["kind"] == "rating"), "grade"] = 3
    again = (votes["rater"] == "r0003") & (votes["kind"] == "repeat")
    first = votes.set_index(["rater", "trial"])["grade"]
    votes.loc[again, "grade"] = [1.0 if first["r0003", trial] >= 3 else 5.0 for trial in votes.loc[again, "repeats"]]
    found = screen(checked(votes), "acr", SCALE, "none")
    assert {"r0001", "r0002", "r0003"} <= set(found.reasons)
    assert found.checks["r0001"] == (3, 3) and found.checks["r0000"] == (0, 3)
    assert found.repeats["r0003"][0] >= 0.5 and found.repeats["r0003"][1] == 3
    assert not found.kept(votes)["rater"].isin(found.reasons).any()


def test_a_repeated_comparison_may_be_shown_the_other_way_round():
    rows = [
        ("r", "t1", "rating", "a", "b", "c", "overall", 1.0, ""),
        ("r", "t2", "repeat", "b", "a", "c", "overall", -1.0, "t1"),
        ("r", "t3", "repeat", "b", "a", "c", "overall", 1.0, "t1"),
    ]
    columns = ["rater", "trial", "kind", "model", "other_model", "clip", "question", "grade", "repeats"]
    votes = checked(pd.DataFrame(rows, columns=columns))
    assert screening.repeats(votes, (-1, 1)) == {"r": (0.5, 2)}


def test_published_rules_of_ratings_are_not_used_for_comparisons():
    votes = rated(np.array([[1.0, -1, 1]] * 3))
    assert "comparisons" in screen(votes, "ccr", (-3, 3), "bt500").notices[0]


@pytest.mark.parametrize(("rule", "least"), [("bt500", 0.8), ("p913", 0.95), ("none", 0.7)])
def test_careless_raters_are_found_at_the_stated_rate_and_honest_ones_kept(rule, least):
    """docs/user-study.md states the rates; 12 studies of 20 raters, four of them careless, three checks each."""
    found = kept = 0
    for seed in range(12):
        votes = grades(QUALITY, 20, 8, np.random.default_rng(seed), careless=4, checks=3, repeats=3)
        out = set(screen(checked(votes), "acr", SCALE, rule, least_correlation=0.5).reasons)
        found += len(out & {f"r{r:04}" for r in range(16, 20)})
        kept += 16 - len(out & {f"r{r:04}" for r in range(16)})
    assert found / 48 >= least and kept / 192 >= 0.95


def test_expectations_of_checks():
    assert passed("max=2", 2) and not passed("max=2", 3) and passed("min=4", 5) and passed("equals=0", 0)
    with pytest.raises(DataError) as error:
        passed("low", 1)
    assert error.value.code == "bad-votes"


@pytest.mark.parametrize("change", [{"grade": "x"}, {"grade": np.inf}, {"kind": "training"}])
def test_votes_that_cannot_be_read(change):
    votes = grades(QUALITY, 3, 2, np.random.default_rng(0), spread=Spread())
    with pytest.raises(DataError) as error:
        checked(votes.astype({"grade": object}).assign(**change))
    assert error.value.code == "bad-votes"
