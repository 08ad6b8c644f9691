"""Mouth vertices and lip opening of clips whose difference is planted."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.facemesh.canonical import canonical, mouth
from bench.detectors.mesh68 import POINTS
from bench.metrics.clips.base import Tracks
from bench.metrics.clips.mouth import lip_correlation, vertex_rmse

LOWER = [14, 17, 87, 317, 178, 402, 84, 314]
ANGLE = st.floats(-0.6, 0.6)


def spoken(opening: np.ndarray) -> np.ndarray:
    """Meshes ``(N, 468, 3)`` in cm whose lower lip is that much lower."""
    head = np.repeat(canonical()[0][None], len(opening), 0)
    head[:, LOWER, 1] += opening[:, None]
    return head


def tracks(made: np.ndarray, truth: np.ndarray) -> Tracks:
    sides = [{"mesh": side, "landmarks-mesh": side[:, list(POINTS), :2]} for side in (made, truth)]
    return Tracks(np.arange(len(made)) / 25, 25.0, (256, 256), sides[0], sides[1])


OPENING = np.abs(np.sin(np.arange(40) / 3))


@given(st.tuples(ANGLE, ANGLE, ANGLE), st.floats(0.5, 20))
def test_head_pose_and_size_do_not_count(turn: tuple[float, ...], scale: float) -> None:
    truth = spoken(OPENING[:5])
    made = truth @ cv2.Rodrigues(np.array(turn))[0].T * scale + 100
    assert vertex_rmse(tracks(made, truth)).value == pytest.approx(0, abs=1e-9)


def test_a_lower_lip_that_hangs_has_the_error_that_arithmetic_says() -> None:
    value = vertex_rmse(tracks(spoken(OPENING + 0.5), spoken(OPENING)))
    moved = np.isin(LOWER, mouth()).sum()
    assert value.value == pytest.approx(0.5 * np.sqrt(moved / (69 * 3)), abs=1e-9) and value.n == 40


@given(st.floats(0.1, 3), st.floats(0, 2))
def test_correlation_is_indifferent_to_how_wide(gain: float, more: float) -> None:
    assert lip_correlation(tracks(spoken(gain * OPENING + more), spoken(OPENING))).value == pytest.approx(1, abs=1e-6)


def test_lips_that_do_the_opposite_and_lips_that_rest() -> None:
    assert lip_correlation(tracks(spoken(1 - OPENING), spoken(OPENING))).value == pytest.approx(-1, abs=1e-6)
    still = lip_correlation(tracks(spoken(np.full(40, 0.3)), spoken(OPENING)))
    assert np.isnan(still.value) and still.reason


def test_frames_without_a_face_are_counted() -> None:
    made = spoken(OPENING)
    made[3:5] = np.nan
    for metric in (vertex_rmse, lip_correlation):
        value = metric(tracks(made, spoken(OPENING)))
        assert (value.n, value.failed) == (38, 2) and np.isfinite(value.value)
        nothing = metric(tracks(np.full_like(made, np.nan), made))
        assert nothing.n == 0 and nothing.failed == 40 and nothing.reason and np.isnan(nothing.value)
