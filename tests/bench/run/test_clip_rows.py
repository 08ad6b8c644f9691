"""A clip's row: means of what its frames have, and the worst second."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.metrics.clips.frames import worst_second
from bench.run import command

TIMES = np.arange(100) / 25


def test_the_worst_second_of_a_curve() -> None:
    values = np.ones(100)
    values[40:65] = 3.0
    assert worst_second(values, TIMES, higher_is_better=False) == (pytest.approx(1.6), pytest.approx(3.0))
    assert worst_second(-values, TIMES, higher_is_better=True) == (pytest.approx(1.6), pytest.approx(-3.0))


def test_frames_without_a_value_do_not_count() -> None:
    values = np.ones(100)
    values[::2] = np.nan
    values[51] = 14.0
    begin, worst = worst_second(values, TIMES, higher_is_better=False)
    assert begin <= 51 / 25 < begin + 1
    assert worst == pytest.approx((14 + 11) / 12)
    assert np.isnan(worst_second(np.full(100, np.nan), TIMES, True)).all()


def test_a_clip_shorter_than_a_second_is_its_own_worst() -> None:
    assert worst_second(np.array([1.0, 2.0]), TIMES[:2], True) == (0.0, 1.5)
    assert worst_second(np.array([7.0]), TIMES[:1], True) == (0.0, 7.0)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=80), st.booleans())
def test_it_is_no_better_than_the_mean_of_any_second(values: list[float], higher: bool) -> None:
    curve, times = np.array(values), np.arange(len(values)) / 25
    begin, worst = worst_second(curve, times, higher)
    for start in range(max(1, len(curve) - 24)):
        mean = curve[start : start + 25].mean()
        assert worst <= mean + 1e-9 if higher else worst >= mean - 1e-9
    assert 0 <= begin <= times[-1]


def test_a_clip_with_a_frame_that_failed_counts_as_failed() -> None:
    clips = pd.DataFrame({"pair": ["a", "b", "c"], "status": ["ok", "ok", "failed"], "frames_failed": [0, 2, 5]})
    assert command._failed(clips)["pair"].tolist() == ["b", "c"]
    assert command._failed(clips.drop(columns="frames_failed"))["pair"].tolist() == ["c"]
