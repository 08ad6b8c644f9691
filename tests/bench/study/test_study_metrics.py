"""Metrics against opinions: correlations by other means, signs, mapping, intervals, what is not told apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bench.study.scoring import metrics as held
from bench.study.scoring import ranks
from bench.study.scoring.metrics import Measures, correlations, of_table, of_votes
from bench.study.scoring.ranks import mapped
from bench.study.scoring.simulate import comparisons, grades
from reports.schema.manifest import MetricEntry

MODELS = ["a", "b", "c", "d"]
QUALITY = {"a": 4.2, "b": 3.4, "c": 2.6, "d": 1.9}


def entry(name: str, up: bool = True, shape: str = "clip") -> MetricEntry:
    return MetricEntry(
        name=name,
        family=name,
        shape=shape,
        version=1,
        higher_is_better=up,
        unit="",
        proxy=False,
        signature=name,
        summary=name,
    )


def table(opinion: np.ndarray, clips: int) -> pd.DataFrame:
    rows = [(f"c{c:02}", model) for model in MODELS for c in range(clips)]
    return pd.DataFrame(rows, columns=["clip", "model"]).assign(opinion=opinion)


def measured(opinions: pd.DataFrame, sets: dict[str, list[float]] | None = None, **columns: np.ndarray) -> Measures:
    values = pd.DataFrame(columns)
    values.index = pd.MultiIndex.from_frame(opinions[["model", "clip"]])
    entries = {name: entry(name, not name.endswith("error")) for name in columns}
    entries |= {name: entry(name, False, "set") for name in sets or {}}
    return Measures("run", entries, values, pd.DataFrame(sets or {}, index=MODELS))


@pytest.fixture(scope="module")
def found():
    rng = np.random.default_rng(0)
    level = np.repeat([4.2, 3.4, 2.6, 1.9], 12)
    opinions = table(level + rng.normal(0, 0.4, 48), 12)
    truth = opinions["opinion"].to_numpy()
    good, error, noise = truth + rng.normal(0, 0.3, 48), -(truth**3) + rng.normal(0, 8, 48), rng.normal(size=48)
    holes = good.copy()
    holes[:5] = np.nan
    run = measured(opinions, {"fid": [1.0, 2.0, 3.0, 4.0]}, good=good, error=error, noise=noise, holes=holes)
    return opinions, run, correlations(of_table(opinions, 0), [run], "overall")


def one(found, name: str, level: str = "clip"):
    return next(entry for entry in found if entry.metric == name and entry.level == level)


def test_values_are_those_of_scipy_with_signs_turned(found):
    opinions, run, entries = found
    for name, sign in (("good", 1), ("error", -1), ("noise", 1)):
        values = sign * run.values[name].to_numpy()
        entry = one(entries, name)
        assert entry.spearman.value == pytest.approx(stats.spearmanr(values, opinions["opinion"]).statistic)
        assert entry.kendall.value == pytest.approx(stats.kendalltau(values, opinions["opinion"]).statistic)
        assert entry.spearman.low < entry.spearman.value < entry.spearman.high and entry.n == 48
    assert one(entries, "error").spearman.value > 0.8
    assert one(entries, "holes").n == 43


def test_the_best_comes_first_and_others_are_told_apart_or_not(found):
    _, _, entries = found
    clip = [entry for entry in entries if entry.level == "clip"]
    values = [entry.spearman.value for entry in clip]
    assert values == sorted(values, reverse=True) and clip[0].behind is None
    assert one(entries, "noise").behind.low > 0
    assert one(entries, "noise").spearman.low < 0 < one(entries, "noise").spearman.high


def test_by_model_sets_stand_beside_means_of_clips(found):
    opinions, run, entries = found
    assert one(entries, "fid", "model").spearman.value == 1 and one(entries, "fid", "model").n == 4
    assert not [entry for entry in entries if entry.metric == "fid" and entry.level == "clip"]
    means = run.values["good"].groupby(level=0).mean()[MODELS]
    own = opinions.groupby("model")["opinion"].mean()[MODELS]
    assert one(entries, "good", "model").spearman.value == pytest.approx(stats.spearmanr(means, own).statistic)


def test_mapping_is_of_third_order_where_that_does_not_turn():
    x = np.linspace(-1, 1, 40)
    name, r, rmse = mapped(x, 3 + x**3 + 0.1 * x)
    assert name == "cubic" and r == pytest.approx(1) and rmse == pytest.approx(0, abs=1e-9)
    assert mapped(x[:10], x[:10])[0] == "linear"
    turning = mapped(x, x**3 - 0.8 * x)
    assert turning[0] == "linear"
    name, r, rmse = mapped(np.array([1.0, 2, 3, 4]), np.array([1.0, 2, 2, 4]))
    fit = stats.linregress([1, 2, 3, 4], [1, 2, 2, 4])
    left = np.array([1.0, 2, 2, 4]) - fit.intercept - fit.slope * np.array([1, 2, 3, 4])
    assert r == pytest.approx(fit.rvalue) and rmse == pytest.approx((np.square(left).sum() / 2) ** 0.5)
    assert mapped(np.array([1.0, 2, 3, 4]), np.array([4.0, 3, 2, 1]))[1] == pytest.approx(-1)


def test_too_little_and_constant_values_have_a_reason():
    opinions = table(np.arange(8.0), 2)
    run = measured(opinions, same=np.ones(8), gone=np.full(8, np.nan))
    entries = correlations(of_table(opinions, 0), [run], "q")
    assert "equal" in one(entries, "same").why and "needed" in one(entries, "gone").why
    assert one(entries, "same").spearman is None


def test_of_few_clips_there_is_no_interval_and_no_order():
    rng = np.random.default_rng(6)
    opinions = table(rng.normal(size=16), 4)
    given = of_table(opinions, 0)
    entries = correlations(
        given, [measured(opinions, good=opinions["opinion"].to_numpy(), noise=rng.normal(size=16))], "q"
    )
    assert held.too_few(given) and not held.too_few(of_table(table(rng.normal(size=20), 5), 0))
    assert entries[0].spearman.value == 1 and entries[1].behind is None
    assert all((one.spearman.low, one.kendall.low) == (None, None) for one in entries)


def test_the_error_after_mapping_divides_by_points_less_parameters():
    """ITU-T P.1401: rmse = (sum of squares / (N - d))^0.5, d parameters of the mapping, 4 of a third order.

    At each of seven levels four opinions lie 0.3 above and below the cubic, so the fit is the cubic itself.
    """
    x = np.repeat(np.linspace(-1, 1, 7), 4)
    off = np.tile([0.3, -0.3, 0.3, -0.3], 7)
    name, r, rmse = mapped(x, 3 + x + 0.5 * x**3 + off)
    assert name == "cubic" and rmse == pytest.approx((28 * 0.09 / (28 - 4)) ** 0.5)
    fitted = 3 + x + 0.5 * x**3
    assert r == pytest.approx((fitted.var() / (fitted.var() + 0.09)) ** 0.5)


def test_opinions_of_votes_are_means_and_comparisons_count_for_one_and_against_the_other():
    votes = grades(QUALITY, 8, 5, np.random.default_rng(1))
    found = of_votes(votes, MODELS, 0, 50)
    means = votes.groupby(["model", "clip"])["grade"].mean()
    assert found.values == pytest.approx([means[m, c] for m, c in zip(found.models, found.clips)])
    assert found.by_model == pytest.approx(votes.groupby("model")["grade"].mean()[MODELS].to_numpy())
    compared = comparisons({"a": 2.0, "b": 0.0}, 10, 4, np.random.default_rng(2))
    found = of_votes(compared, ["a", "b"], 0, 50)
    assert found.by_model[0] == pytest.approx(-found.by_model[1]) and found.by_model[0] > 0


def test_intervals_hold_the_correlation_of_many_raters_and_clips():
    """A metric is quality plus noise; the truth is the correlation over 4000 clips without noise of raters."""
    rng = np.random.default_rng(3)
    held_it, widths = [], []
    level = np.array([QUALITY[m] for m in MODELS])

    def world(clips: int):
        own = level[:, None] + rng.normal(0, 0.4, clips) + rng.normal(0, 0.3, (4, clips))
        return own, own + rng.normal(0, 0.8, (4, clips))

    own, metric = world(4000)
    truth = stats.spearmanr(own.ravel(), metric.ravel()).statistic
    for seed in range(40):
        own, metric = world(15)
        given = own + rng.normal(0, 0.4, 20)[:, None, None] + rng.normal(0, 0.6, (20, 4, 15))
        rater, model, clip = (part.ravel() for part in np.indices(given.shape))
        names = [[f"r{r:02}" for r in rater], np.array(MODELS)[model], [f"c{c:02}" for c in clip]]
        votes = pd.DataFrame(dict(zip(["rater", "model", "clip"], names)))
        votes = votes.assign(grade=given.ravel(), other_model="")
        opinions = of_votes(votes, MODELS, seed, 150)
        keys = pd.DataFrame({"model": opinions.models, "clip": opinions.clips})
        run = measured(keys, metric=metric.ravel())
        found = one(correlations(opinions, [run], "q"), "metric").spearman
        held_it.append(found.low <= truth <= found.high)
        widths.append(found.high - found.low)
    assert np.mean(held_it) >= 0.85 and np.mean(widths) < 0.5


def test_spearman_of_draws_is_that_of_points_repeated():
    rng = np.random.default_rng(5)
    x, y = rng.integers(0, 6, 30).astype(float), rng.integers(1, 6, (4, 30)).astype(float)
    times = rng.integers(0, 4, (4, 30)).astype(float)
    y[1, 3] = np.nan
    for row, count, rho in zip(y, times, ranks.drawn_spearman(x, y, times)):
        places = np.repeat(np.arange(30), np.where(np.isfinite(row), count, 0).astype(int))
        assert rho == pytest.approx(stats.spearmanr(x[places], row[places]).statistic)


def test_kendall_of_draws_is_that_of_points_repeated():
    rng = np.random.default_rng(4)
    x, y, times = rng.normal(size=20), rng.integers(1, 5, 20).astype(float), rng.integers(0, 3, 20).astype(float)
    places = np.repeat(np.arange(20), times.astype(int))
    one_draw = held._kendall(x, y, np.stack([y, y]), np.stack([times, times]))
    of_x, of_y = (np.sign(v[:, None] - v) for v in (x[places], y[places]))
    expected = (of_x * of_y).sum() / ((of_x**2).sum() * (of_y**2).sum()) ** 0.5
    assert stats.kendalltau(x[places], y[places]).statistic == pytest.approx(expected)
    assert one_draw.high - one_draw.low == pytest.approx(0, abs=1e-9)
