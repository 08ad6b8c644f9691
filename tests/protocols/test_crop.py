"""The square around a head: its arithmetic, and which faces of a clip it is around."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import crop
from protocols.crop import LOOKS, Cut, center_square, find, head_box, looks


class Finder:
    """Reads the face's box from the frame's first pixels, which is how a test places it; none where they are 0."""

    signature = "test"

    def __call__(self, frame: np.ndarray) -> list[float] | None:
        box = frame[0, :4, 0].astype(float) * 10
        return box.tolist() if box.any() else None


def frame(height: int, width: int, *box: int) -> np.ndarray:
    image = np.zeros((height, width, 3), np.uint8)
    if box:
        image[0, :4, 0] = np.array(box) // 10
    return image


def test_a_head_is_framed_as_measured():
    """Scale 1.8, shift 0.2, of the longer side; checked by hand: 1.8 * 200 = 360, 500 - 180, 600 - 40 - 180."""
    assert head_box(np.array([[420, 500, 580, 700]]), 1000, 1000) == (320, 380, 680, 740)
    # of a clip the box around all of its faces counts: 240 wide
    assert head_box(np.array([[420, 500, 580, 700], [380, 500, 540, 700], [460, 520, 620, 700]]), 1000, 1000) == (
        284,
        336,
        716,
        768,
    )


@pytest.mark.parametrize(
    ("face", "box"),
    [
        ((200, 20, 400, 220), (120, 0, 480, 360)),  # would begin 100 above the picture: moved down
        ((10, 300, 210, 500), (0, 180, 360, 540)),
        ((450, 700, 600, 880), (276, 576, 600, 900)),
        ((50, 100, 550, 700), (0, 0, 600, 600)),  # would be 1080 wide: as large as the shorter side
    ],
)
def test_a_box_that_leaves_the_picture_is_moved_inside(face: tuple[int, ...], box: crop.Box):
    assert head_box(np.array([face]), 900, 600) == box


COORDINATE = st.floats(-500, 2500)


@given(
    st.integers(1, 2000),
    st.integers(1, 2000),
    st.lists(st.tuples(COORDINATE, COORDINATE, st.floats(1, 2000), st.floats(1, 2000)), min_size=1, max_size=9),
)
def test_every_box_is_a_square_inside_the_frame(height: int, width: int, faces: list[tuple[float, ...]]):
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h in faces])
    x0, y0, x1, y1 = box = head_box(boxes, height, width)
    assert 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height and x1 - x0 == y1 - y0
    assert all(isinstance(side, int) for side in box)
    assert head_box(boxes[::-1], height, width) == box


@given(st.integers(1, 300), st.integers(1, 300))
def test_the_central_square(height: int, width: int):
    image = np.arange(height * width * 3, dtype=np.int64).reshape(height, width, 3)
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    np.testing.assert_array_equal(center_square(image), image[top : top + side, left : left + side])


def test_where_a_face_is_looked_for():
    assert looks(0) == [] and looks(1) == [0] and looks(2) == [0, 1] and looks(9) == list(range(9))
    assert looks(180) == [10, 30, 50, 70, 90, 110, 130, 150, 170]  # not the first and last, which fade
    for count in range(1, 200):
        assert len(looks(count)) == min(count, LOOKS) and looks(count)[-1] < count


def test_a_passer_by_does_not_count():
    """Seven frames of one face, one of a larger face elsewhere, one without."""
    clip = [frame(900, 1600, 500 + 10 * k, 300, 700 + 10 * k, 500) for k in range(7)]
    clip[3:3] = [frame(900, 1600, 1000, 100, 1500, 600), frame(900, 1600)]
    found = find(clip, Finder())
    assert found == Cut((396, 114, 864, 582), "face", (900, 1600), 9, 7, 1)
    assert str(found) == "face 396,114,864,582 of 1600x900, face in 7 of 9"
    assert find(clip[::-1], Finder()).box == found.box


def test_no_face_means_the_center():
    assert find([frame(900, 600)] * 3, Finder()) == Cut((0, 150, 600, 750), "center", (900, 600), 3, 0)


@pytest.mark.parametrize(("side", "how"), [(300, "framed"), (210, "framed"), (200, "face")])
def test_frames_that_are_framed_already_stay_whole(side: int, how: str):
    """500 pixels: 1.8 * 210 = 378 is 0.756 of them, 1.8 * 200 = 360 is 0.72."""
    image = frame(500, 500, 100, 150, 100 + side, 150 + side)
    found = find([image], Finder())
    assert found.how == how and (found.box == (0, 0, 500, 500)) == (how == "framed")
    assert find([image], Finder(), always=True).how == "face"
    assert find([frame(500, 510, 100, 150, 100 + side, 150 + side)], Finder()).how == "face"  # not square


def test_names_of_modes():
    names = ("center", "centre", "face", "none", "middle", "")
    assert [crop.mode(name) for name in names] == ["center", "center", "face", "none", None, None]
