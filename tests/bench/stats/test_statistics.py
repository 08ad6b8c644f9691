"""Statistics against closed forms, SciPy and hand-computed cases."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support.manifests import metric

from bench.metrics.families import ANY, FAMILIES
from bench.stats.resampling import Hierarchy, draw_within, holm, resamples, sign_flip_p, weighted_means
from bench.stats.summary import comparisons, summarize
from reports.schema.summary import Row, Summary

L1 = metric("l1", family="own")  # values from all numbers
PSNR = metric("psnr", higher_is_better=True)


def balanced(identities: int, videos: int, pairs: int) -> Hierarchy:
    names = [(str(i), str(v)) for i in range(identities) for v in range(videos) for _ in range(pairs)]
    return Hierarchy.of(*zip(*names))


def samples_of(values: dict[str, list[float]], identities=None, metric: str = "l1", driving=None) -> pd.DataFrame:
    """One row a model and pair; by default every pair has its own identity."""
    n = len(next(iter(values.values())))
    identities = [f"id{i}" for i in range(n)] if identities is None else identities
    driving = identities if driving is None else driving
    return pd.DataFrame(
        {
            "pair": f"p{i:03d}",
            "model": model,
            "source_identity": identities[i],
            "driving_identity": driving[i],
            "source": f"set/{identities[i]}#a/0",
            "driving": f"set/{driving[i]}#a/{i}",
            metric: column[i],
        }
        for model, column in values.items()
        for i in range(n)
    )


def row(summary: Summary, model: str, metric: str = "l1") -> Row:
    return summary.by_model()[model, metric]


def test_draws_keep_group_sizes():
    rng = np.random.default_rng(0)
    counts = np.array([[2, 0, 1], [0, 3, 0]])
    sizes = np.array([4, 1, 2])
    drawn = draw_within(counts, sizes, rng)
    groups = np.add.reduceat(drawn, [0, 4, 5], axis=1)
    assert np.array_equal(groups, counts * sizes)


def test_nested_bootstrap_variance_in_closed_form():
    """Balanced: Var* = s²(identity means)/I + s²(video means in identities)/(I·V) + s²(pairs in videos)/(I·V·P)."""
    shape = (6, 4, 5)
    rng = np.random.default_rng(1)
    x = rng.normal(size=(6, 1, 1)) + rng.normal(size=(6, 4, 1)) + rng.normal(size=shape)
    expected = x.mean((1, 2)).var() / 6 + x.mean(2).var(1).mean() / 24 + x.var(2).mean() / 120
    side = balanced(*shape)
    means = weighted_means(x.reshape(-1, 1), resamples(side, side, 40_000, rng))[:, 0]
    assert means.mean() == pytest.approx(x.mean(), abs=4 * (expected / 40_000) ** 0.5)
    assert means.var() == pytest.approx(expected, rel=0.03)


def test_crossed_bootstrap_variance_in_closed_form():
    """x = a_source + b_driving: Var* = s²(a)/S + s²(b)/D."""
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=7), rng.normal(size=5)
    cells = [(i, j) for i in range(7) for j in range(5)]
    source, driving = (Hierarchy.of([str(c[side]) for c in cells], ["v"] * 35) for side in (0, 1))
    x = np.array([a[i] + b[j] for i, j in cells])
    means = weighted_means(x[:, None], resamples(source, driving, 40_000, rng))[:, 0]
    assert means.var() == pytest.approx(a.var() / 7 + b.var() / 5, rel=0.03)


def test_independent_pairs_give_the_plain_bootstrap():
    x = np.random.default_rng(3).gamma(2, size=60)
    found = row(summarize(samples_of({"a": x}), [L1], seed=0), "a")
    plain = stats.bootstrap((x,), np.mean, n_resamples=10_000, method="percentile", rng=1).confidence_interval
    assert (found.ci_low, found.ci_high) == pytest.approx(tuple(plain), abs=0.03 * x.std())


def test_interval_over_pairs_is_students():
    x = np.random.default_rng(4).normal(size=23)
    found = row(summarize(samples_of({"a": x}), [L1], seed=0, n_resamples=10), "a")
    expected = stats.ttest_1samp(x, 0).confidence_interval()
    assert (found.ci_pair_low, found.ci_pair_high) == pytest.approx(tuple(expected))
    assert found.std == pytest.approx(x.std(ddof=1))


@pytest.mark.parametrize(("clusters", "exact"), [(3, True), (9, True), (40, False)])
def test_sign_flips_agree_with_scipy(clusters, exact):
    rng = np.random.default_rng(clusters)
    sums = rng.normal(0.35, 1, size=(clusters, 4))
    found = sign_flip_p(sums, 10_000, rng)
    for column, p in zip(sums.T, found):
        scipy = stats.permutation_test(
            (column, np.zeros(clusters)), lambda a, b: (a - b).sum(), permutation_type="samples", rng=0
        )
        assert p == pytest.approx(scipy.pvalue, abs=1e-12 if exact else 0.03)


def test_sign_flips_hold_their_level():
    """Under the null hypothesis p ≤ 0.05 comes up in 5 % of the cases, with more clusters than can be enumerated."""
    rng = np.random.default_rng(6)
    p = sign_flip_p(rng.normal(size=(30, 2000)), 999, rng)
    assert (p <= 0.05).mean() == pytest.approx(0.05, abs=0.02)
    assert p.min() >= 1 / 1000


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([]) == []


def test_failures_are_counted_and_penalised():
    nan = float("nan")
    summary = summarize(samples_of({"a": [0.1, nan, 0.3, 0.2], "b": [0.2, 0.6, nan, 0.4]}), [L1], 0, 200)
    a, b = row(summary, "a"), row(summary, "b")
    assert (a.n, a.n_total, a.failed, a.failure_rate) == (3, 4, 1, 0.25)
    assert a.mean == pytest.approx(0.2) and b.mean == pytest.approx(0.4)
    assert a.mean_penalised == pytest.approx((0.1 + 0.6 + 0.3 + 0.2) / 4)
    assert (a.mean_common, b.mean_common) == pytest.approx((0.15, 0.3))
    assert a.n_common == b.n_common == 2
    assert a.median == pytest.approx(0.2)


def test_best_by_dropping_the_hard_pairs_is_not_stable():
    nan = float("nan")
    summary = summarize(samples_of({"a": [0.2, 0.2, nan], "b": [0.1, 0.1, 0.9]}), [L1], 0, 50)
    assert summary.ranking["l1"].best == ("a",)
    ranking = summary.ranking["l1"]
    assert ranking.stable is False and ranking.order == ("a", "b")
    assert ranking.otherwise == {"mean_common": ("b", "a"), "mean_penalised": ("b", "a")}
    nothing_failed = summarize(samples_of({"a": [0.2, 0.2], "b": [0.1, 0.1]}), [L1], 0, 50).ranking["l1"]
    assert nothing_failed.stable and nothing_failed.otherwise == {}


def test_infinite_values_count_but_enter_no_finite_mean():
    inf = float("inf")
    values = {"a": [30.0, inf, 20.0], "b": [31.0, 29.0, 20.0], "copy-target": [inf] * 3}
    summary = summarize(samples_of(values, metric="psnr"), [PSNR], 0, 50)
    a, exact = row(summary, "a", "psnr"), row(summary, "copy-target", "psnr")
    assert (a.n, a.n_infinite, a.mean) == (3, 1, 25)
    assert (exact.n, exact.n_infinite, exact.mean) == (3, 3, None)
    assert (exact.ci_low, exact.median) == (None, None)
    (duel,) = summary.comparisons
    assert (duel.n, duel.n_infinite, duel.difference) == (3, 1, -0.5)
    assert duel.win_rate == pytest.approx((0 + 1 + 0.5) / 3)
    json.dumps(summary.content(), allow_nan=False)


def test_nothing_measured():
    nan = float("nan")
    summary = summarize(samples_of({"a": [nan, nan], "b": [1.0, 2.0]}), [L1, PSNR], 0, 50)
    assert row(summary, "a").mean is None and row(summary, "a").failure_rate == 1
    assert row(summary, "b", "psnr").n == 0  # a metric without a column
    assert summary.comparisons == ()
    json.dumps(summary.content(), allow_nan=False)


def test_a_single_value_has_no_interval():
    for values in ({"a": [0.3], "b": [0.1]}, {"a": [0.3, float("nan")], "b": [0.1, 0.2]}):
        summary = summarize(samples_of(values), [L1], 0, 50)
        (duel,) = summary.comparisons
        assert row(summary, "a").mean == 0.3 and duel.difference == pytest.approx(0.2)
        for one in (row(summary, "a"), duel):
            assert (one.n, one.ci_low, one.ci_high) == (1, None, None)


def test_ranking_leaves_the_bounds_out():
    values = {"a": [0.3, 0.3], "b": [0.2, 0.2], "c": [0.1, 0.4], "copy-source": [0.05, 0.05], "copy-target": [0.0, 0.0]}
    summary = summarize(samples_of(values), [L1], 0, 50)
    assert summary.bounds == ("copy-source", "copy-target")
    assert summary.ranking["l1"].order == ("b", "c", "a")
    assert (summary.ranking["l1"].best, summary.ranking["l1"].second) == (("b",), ("c",))
    duels = {(duel.a, duel.b) for duel in summary.comparisons}
    assert duels == {("a", "b"), ("a", "c"), ("b", "c")} | {(model, "copy-source") for model in "abc"}


def test_ties_share_the_first_place():
    ranking = summarize(samples_of({"a": [1.0], "b": [1.0], "c": [2.0]}), [L1], 0, 50).ranking["l1"]
    assert (ranking.best, ranking.second) == (("a", "b"), ())


def test_few_identities_are_told():
    identities = ["x"] * 4 + ["y"] * 4 + ["z"] * 4
    rng = np.random.default_rng(7)
    values = {"a": rng.normal(0, 0.1, 12), "b": rng.normal(5, 0.1, 12)}
    summary = summarize(samples_of(values, identities), [L1], 0)
    assert "3 identities" in summary.notices[0]
    assert summary.notices[1].endswith(" 0.25")
    (duel,) = summary.comparisons
    assert duel.p == duel.p_smallest == 0.25
    assert duel.p_pair == pytest.approx(2 / 2**12)
    many = summarize(samples_of({"a": rng.normal(size=40)}), [L1], 0, 50)
    assert many.notices == ()


def test_intervals_of_means_stay_where_values_can_be():
    identities = ["x", "y", "z"] * 4
    values = {"a": [0.0, 0.2, 0.9] * 4, "b": [0.0, 0.1, 0.5] * 4}
    free, cut = (summarize(samples_of(values, identities), [L1.but(family=family)], 0, 500) for family in ("own", "l1"))
    assert row(free, "a").ci_low < 0 and row(cut, "a").ci_low == 0
    assert row(free, "a").ci_high > 1 and row(cut, "a").ci_high == 1
    assert free.comparisons == cut.comparisons
    assert [family.name for family in FAMILIES.values() if family.bounds == ANY] == [
        *("psnr", "id-drift", "brisque", "kid")
    ]
    for family in ("own", "psnr"):  # as a manifest tells them
        told = summarize(samples_of(values, identities), [L1.but(family=family, bounds=(0.0, None))], 0, 500)
        assert row(told, "a").ci_low == 0 and row(told, "a").ci_high > 1
    share = summarize(samples_of(values, identities), [L1.but(family="mkr")], 0, 500)
    assert (row(share, "a").ci_low, row(share, "a").ci_high) == (0, 1)


def test_one_identity_that_dominates_is_told():
    summary = summarize(samples_of({"a": [0.0] * 60}, ["x"] * 48 + [f"i{i}" for i in range(12)]), [L1], 0, 50)
    assert "1.6 equal" in summary.notices[0]


def test_cross_identity_takes_the_larger_p_of_both_sides():
    rng = np.random.default_rng(8)
    source = [f"s{i % 6}" for i in range(24)]
    driving = [f"d{i % 2}" for i in range(24)]
    values = {"a": rng.normal(0, 1, 24), "b": rng.normal(3, 1, 24)}
    summary = summarize(samples_of(values, source, driving=driving), [L1], 0, 500)
    assert summary.clusters.crossed and summary.clusters.driving.identities == 2
    assert summary.comparisons[0].p == summary.comparisons[0].p_smallest == 0.5


def test_order_of_rows_moves_nothing_and_the_seed_decides():
    rng = np.random.default_rng(9)
    samples = samples_of({"a": rng.normal(size=30), "b": rng.normal(size=30)}, [f"i{i % 6}" for i in range(30)])
    first = summarize(samples, [L1], 0, 500)
    again = summarize(pd.concat([samples[:30].sample(frac=1, random_state=0), samples[30:]]), [L1], 0, 500)
    assert first == again
    assert first != summarize(samples, [L1], 1, 500)


def test_two_models_of_many():
    rng = np.random.default_rng(10)
    samples = samples_of({name: rng.normal(size=20) for name in ("a", "b", "copy-source")})
    two = pd.concat([samples.query("model == 'copy-source'"), samples.query("model == 'a'")])
    (found,) = summarize(two, [L1], 0, 500, bounds=()).comparisons
    difference = samples.query("model == 'copy-source'").l1.to_numpy() - samples.query("model == 'a'").l1.to_numpy()
    assert found.difference == pytest.approx(difference.mean())
    assert found.effect_size == pytest.approx(difference.mean() / difference.std(ddof=1))
    assert found.win_rate == (difference < 0).mean()
    assert found.p_holm == found.p
    assert summarize(two.assign(l1=np.nan), [L1], 0, 500, bounds=()).comparisons == ()


@pytest.mark.parametrize("chance", [0, 1])
@pytest.mark.parametrize("crossed", [False, True])
def test_a_comparison_hangs_on_nothing_but_its_pairs_and_the_seed(chance, crossed):
    """Other models, other metrics, other ids and another order of rows move none of its numbers."""
    rng = np.random.default_rng(chance)
    people = [f"id{i // 3:02d}" for i in range(60)]
    driving = list(rng.permutation(people)) if crossed else None
    values = {model: list(rng.normal(size=60)) for model in "abc"}
    values["b"][7] = float("nan")
    table = samples_of(values, people, driving=driving).assign(psnr=lambda rows: 1 / (1 + rows["l1"] ** 2))
    ids = dict(zip(sorted(table["pair"].unique()), rng.permutation(1000)[:60]))
    renamed = table.assign(pair=[f"x{ids[pair]}" for pair in table["pair"]]).sample(frac=1, random_state=chance % 1000)
    renamed = renamed.sort_values("model", kind="stable")
    whole = summarize(table, [L1, PSNR], 5, 300).comparisons
    alone = summarize(renamed[renamed["model"] != "c"], [L1], 5, 300).comparisons
    (of_whole,) = (entry for entry in whole if (entry.metric, entry.a, entry.b) == ("l1", "a", "b"))
    assert of_whole.family == 3 and alone[0].family == 1
    assert alone[0].better == of_whole.better
    for key in set(of_whole.content()) - {"p_holm", "family", "metric", "a", "b", "better"}:
        assert getattr(alone[0], key) == pytest.approx(getattr(of_whole, key), rel=1e-9), key
    assert summarize(table, [L1], 6, 300).comparisons[0].ci_low != of_whole.ci_low


def test_comparisons_without_intervals_are_those_of_the_summary():
    rng = np.random.default_rng(0)
    table = samples_of({model: list(rng.normal(size=60)) for model in ("a", "b", "copy-source", "copy-target")})
    with_intervals = summarize(table, [L1], 0, 200).comparisons
    for one, other in zip(comparisons(table, [L1], 0, 200), with_intervals, strict=True):
        assert one == other.but(ci_low=None, ci_high=None) and one.family == 3
