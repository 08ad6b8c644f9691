"""The intervals hold the truth as often as they say: tools/coverage.py on fewer data sets."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[3] / "tools" / "coverage.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("coverage_simulation", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_data_sets_have_the_asked_correlation(script):
    """Variance 1, mean 0; pairs of one person correlate by the share of people, those of one video by more."""
    design = script.same("two", [2, 2], 2)
    x = script.datasets(design, 0.3, False, 40_000, np.random.default_rng(0))
    covariance = x @ x.T / x.shape[1]
    expected = 0.3 * (np.arange(8)[:, None] // 4 == np.arange(8) // 4) + 0.6 * np.eye(8)
    expected += script.VIDEO * (np.arange(8)[:, None] // 2 == np.arange(8) // 2)
    assert covariance == pytest.approx(expected, abs=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("between", [0.1, 0.3, 0.6])
def test_coverage(script, between):
    designs = [*script.SAME[:4], *script.OTHERS[:2], *script.CROSSED[1:4]]
    for design in designs:
        found = script.coverage(design, between, False, 1600, seed=1)
        assert 0.93 <= found["corrected"] <= 0.97, design.name
        assert found["over pairs"] < 0.85, design.name
    few = script.coverage(script.SAME[0], 0.6, False, 1600, seed=1)
    assert few["cluster bootstrap"] < 0.9  # what the correction is for


def test_table_and_figure(script, tmp_path):
    found = dict.fromkeys(script.METHODS, 0.5)
    names = [design.name for design in [*script.SAME, *script.CROSSED]]
    measured = {(name, share, skewed): found for name in names for share in script.SHARES for skewed in (False, True)}
    lines = script.table(measured).splitlines()
    assert len(lines) == 2 + len(names)
    assert len({line.count("|") for line in lines}) == 1
    assert "50.0 / 50.0 / 50.0" in lines[2]
    script.draw(measured, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 5000
