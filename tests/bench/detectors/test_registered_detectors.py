"""Detectors of packages that are wrong in some way: a frame that failed, or refused by name."""

from __future__ import annotations

import numpy as np
import pytest
from support.packages import install
from support.refused import refused

from bench.detectors import guard, registered
from protocols.errors import PluginError

CODE = """
import sys

import numpy as np

from bench.detectors.base import Detection, Detector


class Red(Detector):
    kind, name, proxy, shape, signature = "red", "mean-red", False, (1,), "mean-red"
    FACT

    def __init__(self, *, device, weights=None):
        BEGIN

    def detect(self, frames):
        return FOUND
"""


@pytest.fixture
def red(monkeypatch, tmp_path):
    def make(found: str = "[]", fact: str = "", begin: str = "pass") -> registered.Registered:
        code = CODE.replace("FOUND", found).replace("FACT", fact).replace("BEGIN", begin)
        install(monkeypatch, tmp_path, "thb_red", code, {"detector": {"red": "Red"}})
        return registered.make("red", None, "cpu", ())

    return make


@pytest.fixture
def frames():
    return np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)


@pytest.mark.parametrize(
    ("fact", "begin"),
    [
        ("shape = 3", "pass"),
        ("shape = ('a',)", "pass"),
        ("name = None", "pass"),
        ("proxy = None", "pass"),
        ("signature = None", "pass"),
        ("signature = 'two\\nlines'", "pass"),
        ("kind = 'blue'", "pass"),
        ("", "sys.exit(0)"),
    ],
)
def test_what_a_detector_says_of_itself_is_checked(red, fact, begin):
    with refused(PluginError, "broken-plugin", "thb-red 1.0: detector red"):
        red(fact=fact, begin=begin)


@pytest.mark.parametrize(
    "one",
    [
        "None",
        "np.zeros(1)",
        "Detection(np.zeros(3))",  # would be measured as a wrong number
        "Detection(1.0)",
        "Detection(np.array(['a']))",
        "Detection(np.array([1j]))",
        "Detection(None)",
        "Detection(None, 3)",
        "sys.exit(0)",
    ],
)
def test_a_frame_with_another_answer_has_failed(red, frames, one):
    found = guard.detect(red(f"[{one} for frame in frames]"), frames)
    assert len(found) == 2
    for detection in found:
        assert detection.values is None and isinstance(detection.reason, str) and detection.reason


def test_only_its_own_frame_fails(red, frames):
    found = guard.detect(red("[Detection(np.zeros(3) if one.max() > 50 else np.ones(1)) for one in frames]"), frames)
    assert found[0].values.tolist() == [1.0] and found[1].values is None


def test_what_a_detector_does_to_the_frames_stays_there(red, frames):
    before = frames.copy()
    found = guard.detect(red("[frame.fill(0) or Detection([frame.mean()]) for frame in frames]"), frames)
    assert [detection.values.tolist() for detection in found] == [[0.0], [0.0]] and np.array_equal(frames, before)
