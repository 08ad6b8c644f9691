"""A package that adds one metric, one detector, one protocol, one data set and one model; tests install it."""

ENTRIES = {
    "model": {"half": "Half"},
    "metric": {"grayness": "GRAYNESS", "redness": "REDNESS"},
    "detector": {"red": "Red"},
    "protocol": {"mine-sameid": "protocol"},
    "data set": {"mine": "Flat"},
}

GRAYNESS_PAGE = "How far the mean gray levels are apart."

CODE = '''
"""Five additions."""

import math

import torch

from baselines.predictor import Predictor
from bench.detectors.base import Detection, Detector
from bench.metrics.base import Definition
from bench.metrics.families import Family, Scale
from bench.metrics.registered import Metric
from protocols.catalogue import Protocol
from protocols.datasets import Dataset

SHIFT = 0.0


class Half(Predictor):
    """Half photograph, half driving frame."""

    name = "half"

    def __init__(self, *, device, weights=None):
        self.device = device

    def predict(self, batch, mode):
        return (batch.source + batch.driving) / 2


class Red(Detector):
    """The mean of the red channel."""

    kind, name, proxy, shape, signature = "red", "mean-red", False, (1,), "mean-red;v:1"

    def __init__(self, *, device, weights=None):
        pass

    def detect(self, frames):
        return [Detection(frame[..., :1].mean((0, 1)) + SHIFT) for frame in frames]


def grayness(prediction, reference):
    return (prediction.mean((1, 2, 3)) - reference.mean((1, 2, 3))).abs().double() * 100 + SHIFT


def redness(prediction, reference):
    return (prediction - reference).abs().mean(1)


PERCENT = {"%": Scale(2, 0.125, 0.25)}
GRAYNESS = Metric(
    Family("grayness", "grayness", False, (0.0, math.inf), PERCENT),
    [Definition("grayness", "grayness", 1, False, "%", "target", None, False, {}, "difference of means", grayness)],
    page="# Grayness\\n\\n{GRAYNESS_PAGE}\\n",
)
REDNESS = Metric(
    Family("redness", "redness", False, (0.0, math.inf), {"": Scale(3)}),
    [
        Definition(
            "redness-mean", "redness", 1, False, "", "driving", "red", False, {}, "of red", redness, "mean-red"
        )
    ],
    page="# Redness\\n\\nHow far the means of red are apart.\\n",
)


def protocol():
    metrics = ("l1", "grayness", "redness")
    return Protocol("mine-sameid", 1, "frames of mine", "mine", "same-identity", "same-identity", metrics, n=4)


class Flat(Dataset):
    """``<clip>/<frame>.png`` of flat colors."""

    layout = "<clip>/<frame>.png, flat"
    stored = True
'''.replace("{GRAYNESS_PAGE}", GRAYNESS_PAGE)
