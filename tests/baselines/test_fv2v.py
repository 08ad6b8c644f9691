"""face-vid2vid is equal to its reference, and its geometry is what the paper says."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support import golden_cases

from baselines.fv2v.pose import Pose, expected_angle, place, rotation_matrix
from baselines.fv2v.volume import volume_grid, warp_volume

ANGLE = st.floats(-90, 90)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "modes"),
    [
        ("fv2v", ("absolute", "relative", "relative_adapt", "free_view", "free_view_yaw_only")),
        ("fv2v", ("free_view_relative_adapt",)),
        ("fv2v_spade", ("absolute", "free_view")),
    ],
)
def test_equals_its_reference(model, modes):
    assert golden_cases.differing(*golden_cases.filled(model), *modes) == []


@settings(deadline=None)
@given(ANGLE, ANGLE, ANGLE, st.booleans())
def test_rotations_are_rotations(yaw, pitch, roll, beta):
    matrix = rotation_matrix(*(torch.tensor([x], dtype=torch.float64) for x in (yaw, pitch, roll)), beta)[0]
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(3, dtype=torch.float64))
    assert torch.linalg.det(matrix).item() == pytest.approx(1)


def test_a_quarter_turn_and_the_order_of_the_axes():
    zero, right = torch.zeros(1), torch.full((1,), 90 * math.pi / 3.14)
    x, y, z = torch.eye(3)
    torch.testing.assert_close(rotation_matrix(right, zero, zero)[0] @ z, x, atol=1e-6, rtol=0)
    torch.testing.assert_close(rotation_matrix(zero, right, zero)[0] @ y, z, atol=1e-6, rtol=0)
    torch.testing.assert_close(rotation_matrix(zero, zero, right)[0] @ x, y, atol=1e-6, rtol=0)
    torch.testing.assert_close(rotation_matrix(right, zero, zero, beta=True)[0] @ x, y, atol=1e-6, rtol=0)


def test_angles_and_placement():
    logits = torch.full((1, 66), -100.0)
    logits[0, 43] = 100
    assert expected_angle(logits).item() == pytest.approx(43 * 3 - 99)
    pose = Pose(*torch.zeros(3, 1), torch.tensor([[0.1, 0.2, 0.3]]), torch.zeros(1, 2, 3))
    points = torch.rand(1, 2, 3)
    torch.testing.assert_close(place(points, pose), points + pose.translation[:, None])
    turned = pose.turned({"yaw": 20.0})
    assert turned.yaw.item() == 20 and turned.pitch is pose.pitch and turned.expression is pose.expression


def test_a_shifted_grid_samples_the_neighboring_slice():
    """Grids span the centers, sampling the borders: at odd sizes their middle agrees."""
    volume = torch.arange(5.0).view(1, 1, 5, 1, 1).expand(1, 1, 5, 5, 5).contiguous()
    grid = volume_grid(5, 5, 5, volume)[None]
    middle = warp_volume(volume, grid)[0, 0, :, 2, 2]
    assert middle[2].item() == 2 and grid[0, 4, 0, 0, 2].item() == 1
