"""Layers that the networks share: splines, relative motion, sampling, downsampling."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from baselines.blocks.conv import AntiAliasDownsample
from baselines.blocks.grid import coordinate_grid, gaussian_heatmaps, warp
from baselines.blocks.keypoints import Keypoints
from baselines.blocks.relative import hull_area, hull_volume, movement_scale, relative_keypoints
from baselines.blocks.tps import fit

coordinates = st.floats(-1, 1, width=32)
five_points = hnp.arrays(np.float32, (5, 2), elements=coordinates)
affine_maps = hnp.arrays(np.float32, (2, 3), elements=st.floats(-0.5, 0.5, width=32))


def control_points(array: np.ndarray) -> torch.Tensor:
    """``(1, 1, 5, 2)`` points that a spline can be fitted to: apart from one another and not near a line."""
    points = torch.from_numpy(array).double()
    assume(torch.pdist(points).min() > 0.2)
    assume(torch.linalg.svdvals(points - points.mean(0))[-1] > 0.4)
    return points[None, None]


def transform(points: torch.Tensor, affine: np.ndarray) -> torch.Tensor:
    """``A z + t`` of ``(..., 2)`` points for ``affine = [A | t]``."""
    a = torch.from_numpy(affine).double()
    return points @ a[:, :2].T + a[:, 2]


def regular_grid() -> torch.Tensor:
    return coordinate_grid(9, 9, torch.zeros(1, dtype=torch.float64)).view(-1, 2)


@settings(max_examples=50, deadline=None)
@given(five_points)
def test_spline_between_equal_points_is_nearly_the_identity_there(array):
    points = control_points(array)
    moved = fit(points, points)(points[0, 0])
    assert (moved - points).abs().max() < 0.1


@settings(max_examples=50, deadline=None)
@given(five_points, affine_maps, affine_maps, st.floats(-2, 2))
def test_fit_is_linear_in_the_targets(array, first, second, factor):
    points = control_points(array)
    a, b = (transform(points, m) for m in (first, second))
    grid = regular_grid()
    combined = fit(points, a + factor * b)(grid)
    assert torch.allclose(combined, fit(points, a)(grid) + factor * fit(points, b)(grid), atol=1e-8)


@settings(max_examples=50, deadline=None)
@given(five_points, affine_maps)
def test_affine_maps_are_reproduced_up_to_the_regularization(array, affine):
    points = control_points(array)
    target = transform(points, affine)
    spline = fit(points, target)
    assert (spline(points[0, 0]) - target).abs().max() < 0.15
    exact = fit(points, target, regularization=0.0)
    expected = transform(regular_grid(), affine)
    assert (exact(regular_grid())[0, 0] - expected).abs().max() < 1e-6
    assert exact.weights.abs().max() < 1e-6


def test_hulls_of_points_in_space_have_volumes():
    corners = torch.tensor([[x, y, z] for x in (0.0, 1) for y in (0.0, 1) for z in (0.0, 1)])
    inside = torch.cat([corners, torch.full((1, 3), 0.5)])
    flat = inside * torch.tensor([1.0, 1, 0])
    assert hull_volume(torch.stack([inside, 2 * inside])).tolist() == pytest.approx([1, 8])
    assert hull_volume(flat[None]).isnan().all()
    assert movement_scale(2 * inside[None], inside[None]).tolist() == pytest.approx([8**0.5])


def test_hull_area_is_of_each_item():
    square = torch.tensor([[0.0, 0], [1, 0], [1, 1], [0, 1], [0.5, 0.5]])
    triangle = torch.tensor([[0.0, 0], [2, 0], [0, 1], [0.1, 0.1], [0.2, 0.2]])
    line = torch.stack([torch.linspace(0, 1, 5)] * 2, dim=1)
    areas = hull_area(torch.stack([square, triangle, line]))
    assert areas[:2].tolist() == [1.0, 1.0]
    assert areas[2].isnan()
    scale = movement_scale(torch.stack([2 * square, triangle]), torch.stack([square, 3 * triangle]))
    assert scale.tolist() == pytest.approx([2.0, 1 / 3])


def random_keypoints(seed: int) -> Keypoints:
    generator = torch.Generator().manual_seed(seed)
    jacobian = torch.eye(2) + 0.3 * torch.rand(3, 6, 2, 2, generator=generator)
    return Keypoints(2 * torch.rand(3, 6, 2, generator=generator) - 1, jacobian)


@pytest.mark.parametrize("adapt_scale", [False, True])
def test_no_movement_gives_the_sources_keypoints(adapt_scale):
    source, driving = random_keypoints(0), random_keypoints(1)
    moved = relative_keypoints(source, driving, driving, adapt_scale)
    assert torch.equal(moved.value, source.value)
    assert torch.allclose(moved.jacobian, source.jacobian, atol=1e-5)


def test_anchor_equal_to_the_source_gives_the_driving_keypoints():
    source, driving = random_keypoints(0), random_keypoints(1)
    moved = relative_keypoints(source, driving, source, adapt_scale=True)
    assert torch.allclose(moved.value, driving.value, atol=1e-6)
    assert torch.allclose(moved.jacobian, driving.jacobian, atol=1e-5)
    kept = relative_keypoints(source, driving, random_keypoints(2), adapt_scale=False, with_jacobian=False)
    assert kept.jacobian is driving.jacobian


def test_identity_flow_keeps_an_image_only_with_aligned_corners():
    image = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    grid = coordinate_grid(16, 16, image)[None]
    assert torch.allclose(warp(image, grid, align_corners=True), image, atol=1e-5)
    assert (warp(image, grid, align_corners=False) - image).abs().max() > 0.1


def test_heatmap_peaks_where_the_keypoint_is():
    heatmap = gaussian_heatmaps(torch.tensor([[[-1.0, 1.0], [0.0, -1.0]]]), 5, 5)
    assert heatmap.flatten(2).argmax(2).tolist() == [[20, 2]]
    assert heatmap.amax((2, 3)).tolist() == [[1.0, 1.0]]


def test_downsampling_blurs_before_it_picks_every_fourth_pixel():
    down = AntiAliasDownsample(1, 0.25)
    impulse = torch.zeros(1, 1, 32, 32)
    impulse[0, 0, 16, 12] = 1
    out = down(impulse)
    assert out.shape == (1, 1, 8, 8)
    assert out.flatten().argmax() == 4 * 8 + 3
    offsets = torch.arange(-6, 7)
    line = torch.exp(-(offsets**2) / (2 * 1.5**2))
    assert out.max() == pytest.approx(float(1 / line.sum() ** 2), rel=1e-5)
    assert torch.equal(AntiAliasDownsample(1, 1.0)(impulse), impulse)
