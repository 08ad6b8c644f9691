"""Losses and deformations against MCNet's reference values and hand-computed cases."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from baselines.blocks.grid import coordinate_grid
from baselines.training import losses
from baselines.training.transform import ThinPlateTransform

REFERENCE = json.loads(Path(__file__).with_name("mcnet_losses.json").read_text(encoding="utf-8"))
EXPECTED = REFERENCE["expected"]


def reference(name: str, *shape: int) -> Tensor:
    return torch.tensor(REFERENCE[name]).view(shape)


@pytest.fixture
def transform() -> ThinPlateTransform:
    return ThinPlateTransform(reference("theta", 1, 2, 3), reference("weights", 1, 25), reference("centres", 25, 2))


def test_points_and_jacobians_of_the_deformation_equal_the_reference(transform: ThinPlateTransform) -> None:
    copy = reference("copy", 1, 15, 2)
    torch.testing.assert_close(transform.points(copy), reference("back", 1, 15, 2), rtol=0, atol=1e-6)
    torch.testing.assert_close(transform.jacobians(copy), reference("slope", 1, 15, 2, 2), rtol=0, atol=1e-6)


def test_equivariance_equals_the_reference(transform: ThinPlateTransform) -> None:
    copy = reference("copy", 1, 15, 2)
    value = losses.equivariance_points(reference("driving", 1, 15, 2), transform.points(copy))
    jacobian = losses.equivariance_jacobians(
        reference("driving_jacobian", 1, 15, 2, 2), transform.jacobians(copy), reference("copy_jacobian", 1, 15, 2, 2)
    )
    assert value.item() == pytest.approx(EXPECTED["equivariance_value.raw"], abs=1e-6)
    assert jacobian.item() == pytest.approx(EXPECTED["equivariance_jacobian.raw"], abs=1e-5)


@pytest.mark.parametrize("image", ["source", "driving"])
def test_keypoint_distance_equals_the_reference_and_has_no_gradient(image: str) -> None:
    points = reference(image, 1, 15, 2).requires_grad_()
    loss = losses.keypoint_distance(points)
    assert loss.item() == pytest.approx(EXPECTED[f"kp_distance.{image}"], abs=1e-6)
    loss.backward()
    assert points.grad.abs().max() == 0


def test_keypoint_spread_pushes_close_points_apart() -> None:
    points = torch.tensor([[[0.0, 0.0], [0.1, 0.0], [0.9, 0.9]]], requires_grad=True)
    loss = losses.keypoint_spread(points)
    assert loss.item() == pytest.approx(2 * 0.1 / 9, abs=1e-6)
    loss.backward()
    assert points.grad[0, 0, 0] > 0 > points.grad[0, 1, 0]  # descending moves them apart
    assert points.grad[0, 2].abs().max() == 0


@pytest.mark.parametrize("squared", [False, True])
def test_closed_form_jacobian_is_the_derivative(squared: bool) -> None:
    rng = torch.Generator().manual_seed(5)
    random = ThinPlateTransform.random(2, rng, sigma_tps=0.05, squared=squared)
    double = ThinPlateTransform(*(x.double() for x in (random.theta, random.weights, random.centers)), squared)
    points = (2 * torch.rand(2, 7, 2, generator=rng) - 1).double()
    step = 1e-6
    columns = [
        (double.points(points + step * axis) - double.points(points - step * axis)) / (2 * step)
        for axis in torch.eye(2, dtype=torch.float64)
    ]
    torch.testing.assert_close(double.jacobians(points), torch.stack(columns, dim=-1), rtol=1e-5, atol=1e-6)


def test_deformed_frame_shows_the_frame_at_the_mapped_points() -> None:
    transform = ThinPlateTransform.random(1, torch.Generator().manual_seed(2), align_corners=True)
    grid = coordinate_grid(64, 64, torch.zeros(1))
    ramp = grid.permute(2, 0, 1)[None].repeat_interleave(torch.tensor([1, 2]), dim=1)  # x, y, y
    mapped = transform.points(grid.view(1, -1, 2)).view(64, 64, 2)
    inside = (mapped.abs() < 1).all(-1)
    assert inside.float().mean() > 0.7
    torch.testing.assert_close(transform.frames(ramp)[0, 0][inside], mapped[..., 0][inside], rtol=0, atol=1e-5)
    torch.testing.assert_close(transform.frames(ramp)[0, 1][inside], mapped[..., 1][inside], rtol=0, atol=1e-5)


def test_jacobian_term_is_zero_where_the_frames_agree() -> None:
    own, moved = torch.randn(2, 4, 2, 2, dtype=torch.float64).add(3 * torch.eye(2)), torch.eye(2, dtype=torch.float64)
    assert losses.equivariance_jacobians(own, moved.expand_as(own), own).item() == pytest.approx(0, abs=1e-12)


def test_perceptual_layers_count_alike_whatever_their_magnitude() -> None:
    a, b = torch.rand(1, 4, 8, 8), torch.rand(1, 4, 8, 8)
    once = losses.perceptual([a], [b])
    torch.testing.assert_close(losses.perceptual([a, 300 * a], [b, 300 * b]), 2 * once)


def test_memory_consistency_resizes_and_stops_the_gradient_of_the_features() -> None:
    features = torch.full((1, 2, 8, 8), 3.0, requires_grad=True)
    value = torch.full((1, 2, 4, 4), 1.0, requires_grad=True)
    loss = losses.memory_consistency(features, value)
    loss.backward()
    assert loss.item() == pytest.approx(2.0)
    assert features.grad is None and value.grad.sum() == pytest.approx(-1.0)


def test_warped_features_sums_the_levels() -> None:
    levels = [torch.ones(1, 2, size, size) for size in (4, 8)]
    assert losses.warped_features(levels, [3 * x for x in levels]).item() == pytest.approx(4.0)
    with pytest.raises(ValueError, match="zip"):
        losses.warped_features(levels, levels[:1])


def test_background_cycle_is_zero_for_inverse_motions() -> None:
    forward = torch.eye(3).repeat(2, 1, 1)
    forward[:, 0, 2] = 0.3
    assert losses.background_cycle(forward, torch.linalg.inv(forward)).item() == pytest.approx(0, abs=1e-6)
    assert losses.background_cycle(forward, forward).item() == pytest.approx(0.6 / 9, abs=1e-6)
