"""Metrics of packages that are wrong in some way: refused by name, and never another metric's number."""

from __future__ import annotations

import pytest
import torch
from support.packages import install
from support.refused import refused

from bench import metrics
from bench.metrics import registered
from protocols.errors import PluginError

CODE = """
import math
import sys

import torch

from bench.metrics.base import Definition
from bench.metrics.families import Family, Scale
from bench.metrics.registered import Metric


def metric(compute, *, page="# Gray", bounds=(0.0, math.inf), units=None, better=False, params=None, times=1):
    family = Family("gray", "gray", better, bounds, {"%": Scale(2)} if units is None else units)
    one = Definition("gray", "gray", 1, better, "%", "target", None, False, params or {}, "gray", compute)
    return Metric(family, [one] * times, page)


def seven(prediction, reference):
    return torch.full((len(prediction),), 7.0)


def black(prediction, reference):
    prediction.zero_()
    reference.zero_()
    return seven(prediction, reference)


def leave(prediction, reference):
    sys.exit(0)


"""


@pytest.fixture
def gray(monkeypatch, tmp_path):
    def load(made: str) -> registered.Metric:
        install(monkeypatch, tmp_path, "thb_gray", f"{CODE}GRAY = {made}", {"metric": {"gray": "GRAY"}})
        return registered.load("gray")

    return load


@pytest.fixture
def images():
    return torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "made",
    [
        "metric(seven, page=None)",
        "metric(seven, bounds=None)",
        "metric(seven, bounds=(math.nan, 1.0))",
        "metric(seven, bounds=(1.0, 0.0))",
        "metric(seven, units={'%': 3})",
        "metric(seven, units={'%': Scale(-2)})",
        "metric(seven, units={'%': Scale(2.5)})",
        "metric(seven, better=None)",
        "metric(seven, params=[1])",
        "metric(seven, params={'x': object()})",
        "metric(seven, times=2)",
        "metric(3)",
        "Metric(None, [], '')",
        "Metric(metric(seven).family, [3], '')",
        "Metric(metric(seven).family, None, '')",
        "sys.exit(0)",
    ],
)
def test_what_a_metric_says_of_itself_is_checked(gray, made):
    with refused(PluginError, "broken-plugin", "thb-gray 1.0: metric gray"):
        gray(made)


@pytest.mark.parametrize(
    "compute",
    [
        "leave",
        "lambda *_: 3",
        "lambda *of: -seven(*of)",  # outside the family's bounds
        "lambda *of: seven(*of) * 1j",
        "lambda *of: seven(*of).to_sparse()",
        "lambda *of: seven(*of).to('meta')",
    ],
)
def test_what_a_metric_gives_is_checked(gray, images, compute):
    (definition,) = gray(f"metric({compute})").definitions
    with refused(PluginError, "broken-plugin", "gray"):
        definition.compute(images, images)


def test_definitions_may_come_one_by_one(gray):
    found = gray("Metric(metric(seven).family, (one for one in metric(seven).definitions), '')")
    assert [[one.name for one in found.definitions] for _ in range(2)] == [["gray"]] * 2


@pytest.mark.parametrize("params", [{"window": "gauss11-1.5", "data_range": 1.0}, {"window": "uniform7"}])
def test_a_metric_with_a_window_is_not_taken_for_ssim(gray, images, params):
    (definition,) = gray(f"metric(seven, params={params})").definitions
    chosen = [metrics.get("ssim"), definition]
    found = metrics.compute_images(chosen, images, images.flip(0))
    assert found["gray"].tolist() == [7.0, 7.0] and found["ssim"].max() < 1


def test_what_a_metric_does_to_its_images_stays_there(gray, images):
    (definition,) = gray("metric(black)").definitions
    before = images.clone()
    found = metrics.compute_images([definition, metrics.get("l1")], images, images.flip(0))
    assert torch.equal(images, before) and found["l1"].min() > 0.1
