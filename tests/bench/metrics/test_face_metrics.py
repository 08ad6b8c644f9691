"""Metrics of detected values, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.detectors.base import Detection, as_array
from bench.metrics.aed import aed, aed_euclid, csim
from bench.metrics.akd import akd, akd_euclid, akd_euclid_norm, akd_norm, interocular, mkr
from bench.metrics.aucon import aucon, aucon_of
from bench.metrics.prmse import ANGLES, prmse, prmse_of, prmse_rad

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
    assert aed_euclid(one, other)[0].item() == pytest.approx(0.5)
    assert aed(one, other)[1].isnan() and aed_euclid(one, other)[1].isnan()


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


def values(*shape: int) -> st.SearchStrategy[torch.Tensor]:
    """Tensors of random numbers, some of them alike. From a seed: drawing each number by itself takes seconds."""

    def draw(seed: int) -> torch.Tensor:
        rng = np.random.default_rng(seed)
        return torch.from_numpy(rng.normal(0, 50, shape).round(rng.integers(0, 4)))

    return st.integers(0, 2**32).map(draw)


@settings(deadline=None)
@given(values(2, 68, 2), values(2, 68, 2), st.floats(0.1, 10), st.floats(-50, 50))
def test_normalised_distances_do_not_depend_on_the_size_and_place_of_the_face(one, other, scale, shift) -> None:
    other[:, 36:42] -= 300  # the eyes never coincide
    for metric in (akd_norm, akd_euclid_norm):
        moved = metric(one * scale + shift, other * scale + shift)
        assert torch.allclose(moved, metric(one, other), rtol=1e-6, atol=1e-9)
    assert torch.allclose(akd_norm(one, other) * interocular(other), akd(one, other))


def test_normalised_distances_by_hand() -> None:
    reference = torch.zeros(1, 68, 2, dtype=torch.float64)
    reference[:, 42:48, 0] = 50.0
    moved = reference + torch.tensor([3.0, 4.0], dtype=torch.float64)
    assert akd_norm(moved, reference).tolist() == pytest.approx([3.5 / 50])
    assert akd_euclid_norm(moved, reference).tolist() == pytest.approx([5 / 50])
    assert akd_norm(reference, torch.zeros_like(reference)).isnan().all()  # eyes in one point: no size


@settings(deadline=None)
@given(values(3, 68, 2), values(3, 68, 2))
def test_a_distance_lies_between_the_mean_coordinate_and_its_double(one, other) -> None:
    per_coordinate, distance = akd(one, other), akd_euclid(one, other)
    assert (distance >= per_coordinate * math.sqrt(2) - 1e-9).all()
    assert (distance <= per_coordinate * 2 + 1e-9).all()


@settings(deadline=None)
@given(values(4, 128), values(4, 128))
def test_csim_of_unit_vectors_is_a_linear_function_of_aed(one, other) -> None:
    one, other = ((vectors + 0.5) / (vectors + 0.5).norm(dim=1, keepdim=True) for vectors in (one, other))
    found = csim(one, other)
    assert torch.allclose(found, 1 - aed(one, other) / 2, atol=1e-9)
    assert (found.abs() <= 1 + 1e-9).all()
    assert torch.allclose(csim(3 * one, 0.1 * other), found)


def test_csim_of_nothing_is_missing() -> None:
    one = torch.zeros(2, 128, dtype=torch.float64)
    one[1] = NAN
    assert csim(one, torch.ones_like(one)).isnan().all()


@settings(deadline=None)
@given(values(5, 3), values(5, 3))
def test_the_angles_make_up_the_whole(one, other) -> None:
    squares = sum(prmse_of(angle)(one, other).square() for angle in ANGLES)
    assert torch.allclose((squares / 3).sqrt(), prmse(one, other))
    assert torch.allclose(prmse_rad(one, other), prmse(one.deg2rad(), other.deg2rad()), atol=1e-12)


@settings(deadline=None)
@given(values(4, 20), values(4, 20))
def test_units_alone_make_up_the_agreement_of_all(one, other) -> None:
    alone = [aucon_of([unit])(one / 200, other / 200) for unit in range(20)]
    assert torch.allclose(torch.stack(alone).mean(0), aucon(one / 200, other / 200))


def test_a_unit_alone_is_missing_where_its_face_is() -> None:
    one = torch.tensor([[0.9, 0.1], [NAN, NAN]], dtype=torch.float64)
    other = torch.tensor([[0.8, 0.9], [0.8, 0.9]], dtype=torch.float64)
    assert aucon_of([0])(one, other)[0] == 1 and aucon_of([1])(one, other)[0] == 0
    assert aucon_of([0])(one, other)[1].isnan()
