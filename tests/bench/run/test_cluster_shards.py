"""Shards cover every batch once; the calculation of costs follows them."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.run.ray_shards import SHARD, cut

SCRIPT = Path(__file__).parents[3] / "tools" / "cluster_cost.py"


@given(st.integers(0, 500), st.integers(1, 80))
def test_every_batch_is_in_one_shard_and_shards_get_smaller(n, workers):
    shards = cut(n, workers)
    assert [k for shard in shards for k in shard] == list(range(n))
    sizes = list(map(len, shards))
    assert sizes == sorted(sizes, reverse=True) and all(1 <= size <= SHARD for size in sizes)


@pytest.fixture(scope="module")
def cost():
    return runpy.run_path(str(SCRIPT))


def test_rates_are_read_from_all_kinds_of_rows(cost, tmp_path):
    first, second = tmp_path / "official.md", tmp_path / "speed.md"
    official = "| fomm | 2000.00 (1990.00-2010.00) | 3000.00 (2990.00-3010.00) | 1.50x (1.49-1.51) | 1.60x |\n"
    first.write_text(official)
    second.write_text(
        "| model fomm | batches of 4 | 106.01 (101.91-130.96) | 9.4 |  |\n"
        "| metric ssim | bench | 2.07 (2.06-2.08) | 483.6 |  |\n"
        "| metric ssim | scikit-image, pair by pair | 10.11 (10.08-11.78) | 98.9 | 4.89x |\n"
        "| detector landmarks: dlib68 | bench, found before | 0.10 (0.10-0.11) | 9999.0 |  |\n"
        "| detector landmarks: dlib68 | uncached | 12.00 (11.00-15.94) | 81.0 | 0.01x |\n"
        "| detector identity: dlib-identity | uncached | 89.00 (87.93-89.43) | 11.2 |  |\n"
    )
    rates = cost["read"]([first, second])
    assert rates["model fomm"] == 2000 and rates["metric ssim"] == 2.07
    assert cost["detection"](rates) == 12 + (89 - 12)
    assert cost["read"]([second, first])["model fomm"] == 106.01
    second.write_text(second.read_text() + official + "| fomm | 56.2 | 0.91 | 64% | 0.51 | 113% |\n")
    assert cost["read"]([second])["model fomm"] == 2000


def test_no_worker_has_less_than_its_share(cost):
    assert cost["makespan"](4166, 1) == 4166
    for workers in (8, 64):
        assert 4166 / workers <= cost["makespan"](4166, workers) < 1.5 * 4166 / workers
    assert cost["measure_fold"](2) > 0
