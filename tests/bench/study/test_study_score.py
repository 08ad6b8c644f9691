"""A whole study through all statistics: made-up raters whose truth is known."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from bench.study.scoring.score import score, votes_hash
from bench.study.scoring.simulate import comparisons, grades
from bench.study.scoring.values import Plan
from reports.schema.study_score import QuestionAsked, parse_study_score

QUALITY = {"a": 3.9, "b": 2.9, "truth": 4.6}
MODELS = ("a", "b", "truth")


def asked(low: float, high: float) -> tuple[QuestionAsked, ...]:
    return (QuestionAsked(name="overall", text="How good is it?", low=low, high=high),)


@pytest.fixture(scope="module")
def votes() -> pd.DataFrame:
    return grades(QUALITY, 16, 8, np.random.default_rng(0), careless=3, checks=3, repeats=2)


@pytest.fixture(scope="module")
def rated(votes):
    return score(votes, Plan("s", "acr", asked(1, 5), MODELS), n=300)


def test_means_are_those_of_the_votes_that_count(votes, rated):
    out = {entry.rater for entry in rated.screening.left_out}
    assert {"r0013", "r0014", "r0015"} & out and rated.raters == 16
    kept = votes[(votes["kind"] == "rating") & ~votes["rater"].isin(out)]
    assert (rated.votes, rated.counted) == (16 * 24, len(kept))
    for opinion in rated.opinions:
        own = kept.loc[kept["model"] == opinion.model, "grade"]
        assert opinion.mean.value == pytest.approx(own.mean()) and opinion.mean.n == len(own)
        assert 1 <= opinion.mean.low <= opinion.mean.value <= opinion.mean.high <= 5
        assert opinion.plain.high - opinion.plain.low < opinion.mean.high - opinion.mean.low
        assert opinion.everyone.value != opinion.mean.value
        assert opinion.mixed.value == pytest.approx(opinion.mean.value, abs=0.05)


def test_dmos_is_the_difference_to_the_hidden_reference_of_the_same_rater_and_clip(votes, rated):
    out = {entry.rater for entry in rated.screening.left_out}
    table = votes[(votes["kind"] == "rating") & ~votes["rater"].isin(out)]
    table = table.pivot_table(index=["rater", "clip"], columns="model", values="grade")
    found = {opinion.model: opinion.dmos for opinion in rated.opinions}
    assert found["truth"] is None
    assert found["a"].value == pytest.approx((table["a"] - table["truth"]).mean() + 5)


def test_pairwise_tests_are_adjusted_after_holm(rated):
    values = [entry.difference for entry in rated.differences]
    assert len(values) == 3 and all(value.family == 3 and value.p <= value.p_holm <= 1 for value in values)
    order = sorted(values, key=lambda value: value.p)
    assert order[0].p_holm == pytest.approx(min(1, 3 * order[0].p))


def test_the_order_of_votes_is_no_matter_and_the_file_is_read_again(votes, rated):
    again = score(votes.sample(frac=1, random_state=1), Plan("s", "acr", asked(1, 5), MODELS), n=300)
    assert votes_hash(votes) == votes_hash(votes.sample(frac=1, random_state=2)) == again.votes_sha256
    for one, other in zip(rated.opinions, again.opinions):
        assert one.mean.low == pytest.approx(other.mean.low)
    text = json.dumps(rated.content(), allow_nan=False)
    assert json.loads(json.dumps(parse_study_score(text.encode()).content())) == json.loads(text)


def test_agreement_of_all_and_of_each_model(rated):
    assert [entry.model for entry in rated.agreement] == [None, "a", "b", "truth"]
    assert 0 < rated.agreement[0].alpha < 1 and 0 < rated.agreement[0].icc < rated.agreement[0].icc_mean < 1
    assert rated.agreement[0].units == 24


def test_comparisons_have_cmos_against_one_model_and_strengths():
    made = comparisons({"a": 1.0, "b": 0.0, "ours": 1.6}, 20, 6, np.random.default_rng(3), ties=0.4)
    made["grade"] *= 2
    found = score(made, Plan("s", "ccr", asked(-2, 2), ("ours", "a", "b"), "ours"), rule="none", n=300)
    means = {(opinion.model, opinion.other): opinion.mean for opinion in found.opinions}
    assert list(means) == [("a", "b"), ("a", "ours"), ("b", "ours")]
    ab = made[made["model"].isin(["b"]) & made["other_model"].isin(["ours"])]
    ba = made[made["model"].isin(["ours"]) & made["other_model"].isin(["b"])]
    assert means["b", "ours"].value == pytest.approx(np.mean([*ab["grade"], *-ba["grade"]]))
    assert means["b", "ours"].high < 0 and means["b", "ours"].p_holm < 0.05
    strengths = {entry.model: entry.strength for entry in found.preferences[0].strengths}
    assert strengths["ours"].value > strengths["a"].value > strengths["b"].value
    assert sum(value.value for value in strengths.values()) == pytest.approx(0, abs=1e-9)
    assert strengths["b"].low <= -2.6 / 3 <= strengths["b"].high
    order = found.preferences[0].first
    assert len(found.preferences[0].pairs) == 3 and order.low < order.value < order.high


def test_a_model_that_never_loses_has_no_strength_and_the_reason():
    made = comparisons({"a": 30.0, "b": 0.0}, 4, 5, np.random.default_rng(4))
    found = score(made, Plan("s", "preference", asked(-1, 1), ("a", "b")), rule="none", n=100)
    assert found.preferences[0].strengths == () and "unbounded" in found.preferences[0].why
    assert found.opinions[0].mean.value == 1


def reasons(found) -> dict[str, list[str]]:
    """Kind of what is undefined to the reasons."""
    made: dict[str, list[str]] = {}
    for entry in found.undefined:
        made.setdefault(entry.code, []).append(entry.why)
    return made


def test_of_constant_votes_nothing_but_the_mean_is_given_with_reasons():
    same = grades(QUALITY, 6, 2, np.random.default_rng(1)).assign(grade=4.0)
    found = score(same, Plan("s", "acr", asked(1, 5), MODELS), rule="none", n=100)
    assert found.counted == 36  # six votes a rater: too few to leave somebody out for one grade
    for opinion in found.opinions:
        assert opinion.mean.value == 4 and opinion.mean.p is None and opinion.mixed is None
        assert (opinion.mean.low, opinion.plain.low, opinion.everyone.low) == (None, None, None)
    assert all(entry.difference.value == 0 and entry.difference.p is None for entry in found.differences)
    assert all(entry.alpha is None and entry.icc is None for entry in found.agreement)
    assert {"mixed-model", "interval", "difference", "agreement"} <= reasons(found).keys()
    assert len(reasons(found)["interval"]) == 3 and all("are 4" in why for why in reasons(found)["interval"])
    (agreement,) = [one for one in found.undefined if one.code == "agreement"]
    assert agreement.what.endswith(f" {', '.join(('all models', *MODELS))}")
    assert " a − b" in " ".join(one.what for one in found.undefined if one.code == "difference")


def test_of_one_model_there_are_no_differences_and_the_reason():
    alone = grades({"a": 3.0}, 12, 6, np.random.default_rng(2))
    found = score(alone, Plan("s", "acr", asked(1, 5), ("a",)), rule="none", n=100)
    assert found.opinions[0].mean.low < found.opinions[0].mean.high and not found.differences
    ((code, (why,)),) = reasons(found).items()
    assert code == "differences" and why.split()[1] == "a"
    assert found.components[0].variances.keys() <= {"rater", "clip", "rest"}  # with the model is the same as alone


def test_ties_alone_give_no_strengths():
    tied = comparisons({"a": 0.0, "b": 0.0}, 6, 3, np.random.default_rng(4)).assign(grade=0.0)
    found = score(tied, Plan("s", "preference", asked(-1, 1), ("a", "b")), rule="none", n=100)
    assert found.preferences[0].strengths == () and "tie" in reasons(found)["strengths"][0]
    assert found.opinions[0].mean.low is None
