"""Blinks in drawn curves of the lids: rates, lengths, what is no blink, and what cannot be told."""

from __future__ import annotations

import numpy as np
import pytest

from bench.metrics.clips.base import ClipValue, Tracks
from bench.metrics.clips.blinking import Blinks, blinks
from bench.metrics.clips.catalogue import CLIP_DEFINITIONS


def lids(shut: list[tuple[float, float]], fps: float = 25.0, seconds: float = 10.0, depth: float = 0.2) -> np.ndarray:
    """Openness ``(N, 2)`` of eyes that are shut between the given moments; open they have 0.3, with a little noise."""
    times = np.arange(round(seconds * fps)) / fps
    one = 0.3 + np.random.default_rng(0).normal(0, 0.004, len(times))
    for begin, end in shut:
        one -= depth * np.clip(1.5 - np.abs(times - (begin + end) / 2) / ((end - begin) / 2), 0, 1)
    return np.stack([one * 1.03, one * 0.97], axis=1)


def found(curve: np.ndarray, fps: float = 25.0) -> Blinks:
    made = blinks(np.arange(len(curve)) / fps, curve, fps)
    assert isinstance(made, Blinks)
    return made


def value(name: str, made: np.ndarray, truth: np.ndarray | None = None, gaze: np.ndarray | None = None) -> ClipValue:
    still = np.zeros((len(made), 2))
    side = {"lids": made if truth is None else truth, "iris": still}
    given = {"lids": made, "iris": still if gaze is None else gaze}
    return CLIP_DEFINITIONS[name].compute(Tracks(np.arange(len(made)) / 25, 25.0, (256, 256), given, side))


THREE = [(1.0, 1.2), (4.0, 4.2), (7.03, 7.23)]


@pytest.mark.parametrize("fps", [25.0, 30.0, 60.0])
def test_rate_and_length_are_those_of_the_drawing(fps: float) -> None:
    made = found(lids(THREE, fps), fps)
    assert made.rate == pytest.approx(18)
    # The drawn edge falls by 0.2 over the length of a blink; the level of 0.75 of 0.3 is passed at 0.075.
    assert made.durations == pytest.approx([0.2 * (1.5 - 0.075 / 0.2)] * 3, abs=0.02)


def test_what_is_no_blink() -> None:
    assert len(found(lids([(2.0, 4.0)])).durations) == 0  # a face that looks down
    assert found(lids([(2.0, 4.0)])).shut.sum() > 45
    assert len(found(lids([(2.0, 2.2)], depth=0.09)).durations) == 0  # down to 0.7, which is below one level only
    assert len(found(lids([(-0.05, 0.1), (9.95, 10.2)])).durations) == 0  # cut by the clip's ends


def test_one_blink_that_trembles_between_the_levels_is_one() -> None:
    curve = lids([])
    curve[50:56] = np.array([0.18, 0.21, 0.18, 0.215, 0.18, 0.21])[:, None]  # 0.6 and 0.7 of what is usual
    assert len(found(curve).durations) == 1


def test_lost_faces() -> None:
    curve = lids(THREE)
    short, long = curve.copy(), curve.copy()
    short[27:29] = np.nan
    long[20:36] = np.nan
    assert len(found(short).durations) == 3
    made = found(long)
    assert len(made.durations) == 2
    assert made.seconds == pytest.approx(10 - 16 / 25)
    cut = curve.copy()
    cut[29:40] = np.nan  # from within the first blink
    assert len(found(cut).durations) == 2
    assert value("blinks", long).n == 234 and value("blinks", long).failed == 16


@pytest.mark.parametrize(
    "curve", [lids(THREE, seconds=4.9), np.full((250, 2), np.nan), np.full((250, 2), 0.07), lids(THREE)[:1]]
)
@pytest.mark.parametrize("name", ["blinks", "blink-rate", "blink-duration"])
def test_what_cannot_be_told_has_a_reason(name: str, curve: np.ndarray) -> None:
    told = value(name, curve)
    assert np.isnan(told.value) and told.reason


def test_a_clip_of_exactly_the_shortest_length_has_a_rate() -> None:
    assert value("blinks", lids(THREE, seconds=5.0)).value == pytest.approx(24)


def test_blinks_against_the_truth() -> None:
    one, slow = lids(THREE[:1]), lids([(1.0, 1.3)])
    rate = value("blink-rate", one, lids(THREE))
    assert (rate.value, rate.n) == (pytest.approx(12), 250)
    assert value("blink-rate", lids(THREE), one).value == pytest.approx(12)
    assert value("blink-rate", one, one).value == value("blink-duration", one, one).value == 0
    assert value("blink-duration", slow, one).value == pytest.approx(0.1 * 1.125, abs=0.02)
    assert value("blink-duration", lids([]), one).reason
    assert value("blink-rate", lids([]), one).value == pytest.approx(6)  # no blink is a rate, but has no length


def test_lid_error() -> None:
    curve = lids([])
    wide = curve + [0.05, 0.01]
    wide[:10] = np.nan
    told = value("lid-error", wide, curve)
    assert (told.value, told.n, told.failed) == (pytest.approx(0.03), 240, 10)


def test_gaze_is_an_angle_of_open_eyes() -> None:
    curve = lids(THREE)
    gaze = np.zeros((250, 2))
    gaze[:, 1] = 10
    gaze[found(curve).shut] = 80  # what the network guesses behind closed lids
    gaze[200:205] = np.nan
    told = value("gaze-error", curve, gaze=gaze)
    assert told.value == pytest.approx(10)
    assert (told.n, told.failed) == (250 - found(curve).shut.sum() - 5, 5)
    tilted = np.tile([30.0, 90.0], (250, 1))  # cos of the angle: cos 30 cos 90
    assert value("gaze-error", curve, gaze=tilted).value == pytest.approx(90)
    assert value("gaze-error", np.full((250, 2), 0.07), curve).reason
