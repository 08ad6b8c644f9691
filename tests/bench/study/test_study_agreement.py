"""Agreement and mixed models against published numbers and closed forms."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest

from bench.study.scoring import mixed
from bench.study.scoring.agreement import agreement
from bench.study.scoring.panel import Panel


def long(table: np.ndarray) -> pd.DataFrame:
    """Units down, raters across."""
    rows = [(f"r{r}", f"u{u}", value) for (u, r), value in np.ndenumerate(table) if np.isfinite(value)]
    return pd.DataFrame(rows, columns=["rater", "unit", "grade"])


def test_icc_of_shrout_and_fleiss():
    """Psychological Bulletin 86(2), 1979, tables 2 and 4: ICC(2,1) = .29, ICC(2,4) = .62."""
    printed = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    found = agreement(long(np.array(printed, float)))
    assert (round(found.icc, 2), round(found.icc_mean, 2)) == (0.29, 0.62)
    assert (found.raters, found.units) == (4, 6)


def test_alpha_of_krippendorff():
    """Computing Krippendorff's Alpha-Reliability, 2011: four observers, twelve units, ordinal 0.815."""
    n = np.nan
    observers = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, n, n, n],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, n, 3],
        [n, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, n],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, n],
    ]
    assert agreement(long(np.array(observers).T)).alpha == pytest.approx(0.815, abs=0.001)


def test_without_the_package_there_is_no_alpha_and_all_else(monkeypatch):
    monkeypatch.setitem(sys.modules, "krippendorff", None)
    found = agreement(long(np.array([[1.0, 2, 1], [4, 5, 4], [3, 3, 2]])))
    assert np.isnan(found.alpha) and 0 < found.icc < 1


def test_without_two_votes_on_anything_nothing_can_be_said():
    alone = long(np.array([[1.0, np.nan], [np.nan, 2.0]]))
    assert np.isnan([agreement(alone).alpha, agreement(alone).icc]).all()


def test_a_balanced_mixed_model_has_the_variances_and_the_error_of_the_analysis_of_variance():
    rng = np.random.default_rng(3)
    y = 3 + rng.normal(0, 0.8, (12, 1)) + rng.normal(0, 0.6, (1, 9)) + rng.normal(0, 0.5, (12, 9))
    votes = long(y.T).rename(columns={"unit": "clip"}).assign(group="a")
    rest = y - y.mean(1, keepdims=True) - y.mean(0) + y.mean()
    of_rest = (rest**2).sum() / (11 * 8)
    of_raters, of_clips = 9 * y.mean(1).var(ddof=1), 12 * y.mean(0).var(ddof=1)
    found = mixed.fit(votes, ("rater", "clip"))
    assert found.why is None
    assert found.variances["rest"] == pytest.approx(of_rest, rel=1e-3)
    assert found.variances["rater"] == pytest.approx((of_raters - of_rest) / 9, rel=1e-3)
    assert found.variances["clip"] == pytest.approx((of_clips - of_rest) / 12, rel=1e-3)
    value, low, high = found.means["a"]
    se = ((of_raters + of_clips - of_rest) / y.size) ** 0.5
    assert value == pytest.approx(y.mean()) and (high - low) / 2 == pytest.approx(1.96 * se, rel=2e-3)
    assert Panel(votes).of("a").se == pytest.approx(se, rel=1e-9)


def test_what_cannot_be_fitted_has_a_reason():
    votes = long(np.full((3, 3), 2.0)).rename(columns={"unit": "clip"}).assign(group="a")
    assert mixed.fit(votes, ("rater", "clip")).why
    many = pd.DataFrame({"rater": np.arange(6000) % 900, "clip": np.arange(6000) % 7, "group": "a", "grade": 1.0})
    assert "too many" in mixed.fit(many, ("rater", "clip")).why


@pytest.mark.parametrize("lacking", ["clip", "rater"])
def test_of_one_clip_what_it_adds_to_a_model_is_no_variance(lacking):
    """Model and clip with the model are one thing then; the fit made intervals of it that left the scale."""
    rng = np.random.default_rng(4)
    votes = pd.concat([long(level + rng.normal(0, 0.5, (1, 8))).assign(group=f"m{level}") for level in (2, 4)])
    votes = votes.rename(columns={"unit": "clip"})
    if lacking == "rater":
        votes = votes.rename(columns={"clip": "rater", "rater": "clip"})
    found = mixed.fit(votes, ("rater", "clip", "rater:group", "clip:group"))
    assert not [name for name in found.variances if name.startswith(lacking)]
    value, low, high = found.means["m2"]
    assert high - low < 1.5 and value == pytest.approx(votes.loc[votes["group"] == "m2", "grade"].mean(), abs=1e-6)
