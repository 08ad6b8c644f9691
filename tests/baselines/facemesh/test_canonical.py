"""The canonical face: its surface, its mouth, and meshes laid over it."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from baselines.facemesh.canonical import (
    INNER_LIPS,
    MOUTH_POINTS,
    OUTER_LIPS,
    Pose,
    align,
    canonical,
    mouth,
    pose_of,
    triangles,
)
from bench.detectors.mesh68 import POINTS

ANGLES = st.floats(-1.2, 1.2)


@given(st.tuples(ANGLES, ANGLES, ANGLES), st.floats(0.5, 30), st.tuples(*[st.floats(-300, 300)] * 3))
def test_a_moved_face_is_brought_back(turn: tuple[float, ...], scale: float, place: tuple[float, ...]) -> None:
    head, _ = canonical()
    pose = Pose(cv2.Rodrigues(np.array(turn))[0], scale, np.array(place))
    aligned, found = align(pose.apply(head))
    np.testing.assert_allclose(aligned, head, atol=1e-9)
    np.testing.assert_allclose(found.rotation, pose.rotation, atol=1e-9)
    assert abs(found.scale / scale - 1) < 1e-9
    np.testing.assert_allclose(found.undo(found.apply(head)), head, atol=1e-9)


def test_what_the_mouth_does_moves_no_pose() -> None:
    head, weights = canonical()
    spoken = head.copy()
    spoken[mouth()] += (0, 1.0, 0)
    moves = weights[mouth()] > 0
    assert not moves.any() and np.allclose(pose_of(spoken).rotation, np.eye(3))


def test_the_surface_is_of_all_vertices_and_has_no_flat_triangle() -> None:
    surface, (head, _) = triangles(), canonical()
    assert surface.shape == (898, 3) and set(surface.ravel()) == set(range(468))
    a, b, c = head[surface].transpose(1, 0, 2)
    areas = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    assert areas.min() > 1e-4


def test_the_mouth_is_alike_on_both_sides_and_holds_the_lips() -> None:
    head, _ = canonical()
    points, lips = head[mouth()], set(POINTS[48:68])
    assert len(points) == MOUTH_POINTS and {*OUTER_LIPS, *INNER_LIPS, *lips} <= set(mouth().tolist())
    gaps = np.linalg.norm((points * (-1, 1, 1))[:, None] - points[None], axis=2).min(1)
    assert gaps.max() < 1e-9
