"""Crops as the published script cuts them, position by position."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy.signal import medfilt

from bench.sync import crops


@pytest.mark.parametrize("positions", [1, 2, 6, 7, 12, 13, 40])
def test_the_running_median_is_that_of_the_whole_track(positions: int) -> None:
    values = np.random.default_rng(positions).uniform(1, 200, (positions, 3))
    padded = np.pad(values, ((6, 6), (0, 0)))  # medfilt warns of fewer values than its window
    expected = np.stack([medfilt(column, 13)[6:-6] for column in padded.T], axis=1)
    np.testing.assert_array_equal(crops.smooth(values), expected)


def test_a_position_is_known_six_later() -> None:
    smoothing = crops.Smoothing()
    given = [len(smoothing.add(np.full(3, 1.0))) for _ in range(10)]
    assert given == [0] * 6 + [1] * 4 and len(smoothing.finish(10)) == 6


@pytest.mark.parametrize("seed", range(8))
def test_a_crop_is_a_part_of_the_padded_frame(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frame = rng.integers(0, 256, (90, 120, 3), dtype=np.uint8)
    half, x, y = rng.uniform(10, 60), rng.uniform(-5, 125), rng.uniform(-5, 95)
    pad = crops.padding(half)
    padded = np.pad(frame, ((pad, pad), (pad, pad), (0, 0)), constant_values=110)
    y0, y1, x0, x1 = crops.rectangle(half, x, y)
    expected = padded[y0:y1, x0:x1]
    np.testing.assert_array_equal(crops.face(frame, half, x, y), expected)
    np.testing.assert_array_equal(crops.crop(frame, half, x, y), cv2.resize(expected, (224, 224)))


def test_a_face_far_outside_is_padding() -> None:
    frame = np.zeros((90, 120, 3), np.uint8)
    for x, y in ((-900.0, 40.0), (40.0, 900.0), (900.0, -900.0)):
        assert (crops.crop(frame, 20.0, x, y) == 110).all()
