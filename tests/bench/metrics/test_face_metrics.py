"""Metrics of detected values, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from bench.detectors.base import Detection, as_array
from bench.metrics.aed import aed, aed_l2
from bench.metrics.akd import akd, akd_euclid, mkr
from bench.metrics.aucon import aucon
from bench.metrics.prmse import prmse

NAN = float("nan")


def landmarks(*moves: tuple[float, float]) -> torch.Tensor:
    """Frames whose 68 landmarks are all moved alike."""
    points = torch.arange(136, dtype=torch.float64).view(1, 68, 2)
    return torch.cat([points + torch.tensor(move, dtype=torch.float64) for move in moves])


def test_akd_is_per_coordinate_and_its_other_definition_a_distance() -> None:
    found = akd(landmarks((3, 4), (0, 1)), landmarks((0, 0), (0, 0)))
    assert found.tolist() == [3.5, 0.5]  # (3 + 4) / 2, not 5
    assert akd_euclid(landmarks((3, 4), (0, 1)), landmarks((0, 0), (0, 0))).tolist() == [5.0, 1.0]


def test_a_face_not_found_has_no_distance_and_is_a_missing_keypoint() -> None:
    frames = landmarks((0, 0), (0, 0), (NAN, NAN), (NAN, NAN))
    references = landmarks((1, 1), (NAN, NAN), (0, 0), (NAN, NAN))
    assert akd(frames, references).isnan().tolist() == [False, True, True, True]
    rate = mkr(frames, references)
    assert rate[0] == 0 and rate[2] == 1 and rate[1].isnan() and rate[3].isnan()


def test_mkr_counts_keypoints_where_a_part_is_found() -> None:
    frames, references = landmarks((0, 0)), landmarks((0, 0))
    references[0, :8] = NAN
    frames[0, 4:23] = NAN  # four of them the reference lacks, too
    assert mkr(frames, references).tolist() == [15 / 60]


def test_aed_is_the_square_of_the_distance() -> None:
    one = torch.zeros(2, 128, dtype=torch.float64)
    other = one.clone()
    other[0, 3], other[0, 7], other[1, 0] = 0.3, 0.4, NAN
    assert aed(one, other)[0].item() == pytest.approx(0.25)
    assert aed_l2(one, other)[0].item() == pytest.approx(0.5)
    assert aed(one, other)[1].isnan() and aed_l2(one, other)[1].isnan()


def test_aucon_is_the_share_of_units_that_agree() -> None:
    one = torch.tensor([[0.9, 0.51, 0.5, 0.1, 0.2], [NAN] * 5], dtype=torch.float64)
    other = torch.tensor([[0.6, 0.49, 0.4, 0.2, 0.9], [0.1] * 5], dtype=torch.float64)
    values = aucon(one, other)
    assert values[0].item() == pytest.approx(3 / 5)  # exactly 0.5 is not active
    assert values[1].isnan() and aucon(other, one)[1].isnan()


def test_prmse_is_a_root_of_a_mean_over_three_angles() -> None:
    one = torch.tensor([[3.0, 0.0, 4.0], [1.0, 1.0, 1.0], [NAN, 0.0, 0.0]], dtype=torch.float64)
    values = prmse(one, torch.zeros(3, 3, dtype=torch.float64))
    assert values[:2].tolist() == pytest.approx([math.sqrt(25 / 3), 1.0])
    assert values[2].isnan()


def test_detections_become_one_array_with_gaps() -> None:
    array = as_array([Detection(np.ones(3)), Detection(None, "no face found")], (3,))
    assert array.dtype == np.float64 and array[0].tolist() == [1, 1, 1] and np.isnan(array[1]).all()
    assert as_array([], (68, 2)).shape == (0, 68, 2)
