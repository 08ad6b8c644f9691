"""MRAA is equal to the official networks, and its closed-form PCA to LAPACK's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support import golden_cases

from baselines.mraa import network
from baselines.mraa.network import MRAA
from baselines.mraa.regions import principal_axes

slow = pytest.mark.slow


@pytest.mark.parametrize(
    "modes",
    [("relative", "avd"), pytest.param(("absolute", "reconstruction", "avd_initial", "relative_noadapt"), marks=slow)],
)
def test_equals_the_official_networks(modes):
    assert golden_cases.differing(*golden_cases.filled("mraa"), *modes) == []


def test_a_missing_sign_is_seen(monkeypatch):
    net, case = golden_cases.filled("mraa")
    monkeypatch.setattr(network.torch, "sign", torch.ones_like)
    assert "avd.prediction" in golden_cases.differing(net, case, "avd")


def test_parameters_are_the_official_ones():
    with torch.device("meta"):
        net = MRAA(golden_cases.golden.read(golden_cases.FOLDER / "mraa").spec["config"])
    counts = {name: golden_cases.parameters(net, name) for name, _ in net.named_children()}
    assert counts == {
        "generator": 45_575_391,
        "region_predictor": 14_146_728,
        "bg_predictor": 6_282_438,
        "avd_network": 2_290_620,
    }


@settings(deadline=None, max_examples=200)
@given(st.floats(0.01, 2), st.floats(0.01, 2), st.floats(-3.1, 3.1))
def test_principal_axes_are_those_of_lapack(first, second, angle):
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, -s], [s, c]])
    covar = torch.from_numpy(turn @ np.diag([first**2, second**2]) @ turn.T)
    if abs(first - second) < 1e-3 or covar[0, 1].abs() < 1e-6 or abs(float(covar[0, 0])) < 1e-6:
        return  # where the axes, or LAPACK's signs, are not determined
    u, deviations = principal_axes(covar)
    expected, values, _ = torch.linalg.svd(covar)
    torch.testing.assert_close(deviations.square(), values, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(u, expected, rtol=0, atol=1e-6)


def test_principal_axes_of_a_diagonal_matrix():
    u, deviations = principal_axes(torch.tensor([[[4.0, 0], [0, 1]], [[1.0, 0], [0, 4]]]))
    assert u.tolist() == [[[1, 0], [0, 1]], [[0, 1], [1, 0]]] and deviations.tolist() == [[2, 1], [2, 1]]
