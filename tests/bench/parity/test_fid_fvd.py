"""What `bench verify` compares of set metrics, how sharply, and what it leaves out."""

from __future__ import annotations

import numpy as np
import pytest

from baselines.parity import Case
from bench.parity import compare as golden
from bench.parity import fid_fvd

# Of an independent program.
ARRAYS = {
    "fid.n50_50.d64.exact": np.array(
        [0.925541348307939, 12.171618534717663, 16.100039196559123, 11.218759303193988, 6.759680473196752]
    ),
    "fid.n50_50.d64.torch_fidelity": np.array([6.75968042]),
    "kid.n50_50.d64.subsets10x20.torch_fidelity": np.array([0.02472081, 0.0272131]),
    "scipy_1_11_4.pytorch_fid.n50_50.d64": np.array([np.nan]),
}


def compared(arrays: dict[str, np.ndarray]) -> golden.Comparer:
    case = Case({"model": "fid_fvd", "seed": 0, "networks": {}, "config": {}}, arrays)
    comparer = golden.Comparer(case)
    fid_fvd.distances(case, comparer)
    return comparer


def test_distances_agree_and_other_releases_of_scipy_are_information():
    found = compared(ARRAYS)
    assert {one.name for one in found.results} == set(ARRAYS) - {"scipy_1_11_4.pytorch_fid.n50_50.d64"}
    assert all(one.ok for one in found.results), found.results
    assert found.left() == [] and found.information() == 1


@pytest.mark.parametrize(
    ("name", "factor"),
    [
        ("fid.n50_50.d64.exact", 1 + 1e-9),
        ("fid.n50_50.d64.torch_fidelity", 1 + 1e-6),
        ("kid.n50_50.d64.subsets10x20.torch_fidelity", 1.001),
    ],
)
def test_another_definition_s_number_differs(name, factor):
    found = compared(ARRAYS | {name: ARRAYS[name] * factor})
    assert [one.name for one in found.results if not one.ok] == [name]
