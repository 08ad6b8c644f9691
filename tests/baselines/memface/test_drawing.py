"""The drawn 3D face."""

import numpy as np
import pytest

from baselines.facemesh.canonical import INNER_LIPS, Pose, canonical
from baselines.memface.drawing import PaintedMesh, of_face_mesh

SIDE = 96


@pytest.fixture(scope="module")
def drawing():
    return of_face_mesh()


def face(scale=4.5, shift=(48.0, 40.0, 0.0), opened=0.0):
    head = canonical()[0].copy()
    below = head[:, 1] > head[list(INNER_LIPS), 1].mean()
    below[list(INNER_LIPS[11:])] = False  # the upper lip's
    head[below, 1] += opened
    return Pose(np.eye(3), scale, np.array(shift)).apply(head)


def test_shape_and_determinism(drawing):
    faces = np.stack([face(), face(opened=1.0)])
    images = drawing.draw(faces, SIDE)
    assert images.shape == (2, SIDE, SIDE, 3) and images.dtype == np.uint8
    assert np.array_equal(images, drawing.draw(faces, SIDE))
    assert np.array_equal(images[1], drawing.draw(faces[1:], SIDE)[0])


def test_an_open_mouth_is_seen(drawing):
    shut, opened = drawing.draw(np.stack([face(), face(opened=1.5)]), SIDE)

    def hollow(image):  # no light falls into the mouth
        return ((image[..., 2] == 0) & (image[..., 0] > 0)).sum()

    assert hollow(opened) > hollow(shut) + 20


def test_it_lies_where_the_vertices_are(drawing):
    image = drawing.draw(face()[None], SIDE)[0]
    rows, columns = np.nonzero(image.any(-1))
    points = face()
    for found, wanted in ((columns, points[:, 0]), (rows, points[:, 1])):
        assert abs(found.min() - wanted.min()) <= 1.5 and abs(found.max() - wanted.max()) <= 1.5


def test_moves_by_a_pixel_with_the_face(drawing):
    one = drawing.draw(face()[None], SIDE)[0]
    other = drawing.draw((face() + (1, 0, 0))[None], SIDE)[0]
    assert np.abs(one[:, :-1].astype(int) - other[:, 1:]).mean() < 1


def test_the_nearer_triangle_covers_the_farther():
    rest = np.array([[0, 0, 5], [20, 0, 5], [0, 20, 5], [0, 0, 0], [20, 0, 0], [0, 22, 0]], float)
    near_last = PaintedMesh(rest, np.array([[0, 1, 2], [3, 4, 5]]), np.array([3, 4, 5]))
    near_first = PaintedMesh(rest, np.array([[3, 4, 5], [0, 1, 2]]), np.array([3, 4, 5]))
    for drawn in (near_last, near_first):
        assert drawn.draw(rest[None], 24)[0, 4, 4, 2] == 0  # the mouth's triangle


def test_a_face_that_is_not_finite_is_black_and_one_outside_does_not_fail(drawing):
    lost = face()
    lost[7, 1] = np.nan
    images = drawing.draw(np.stack([lost, face(shift=(-4000.0, 9e7, 0.0))]), SIDE)
    assert not images.any()
