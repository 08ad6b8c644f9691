"""Face tracks of one pass over the frames are those of the script's many passes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import interp1d

from bench.sync import tracks
from bench.sync.tracks import Tracker, iou, link


def by_passes(scene: list[list[np.ndarray]]) -> list[list[tuple[int, np.ndarray]]]:
    """The published rule as it is described: over the whole scene again for every track."""
    left, found = [[*boxes] for boxes in scene], []
    while any(left):
        track: list[tuple[int, np.ndarray]] = []
        for frame, boxes in enumerate(left):
            for box in boxes:  # the list that is walked is the list that boxes are taken out of
                if not track:
                    track.append((frame, box))
                    boxes.remove(box)
                elif frame - track[-1][0] <= 25:
                    if iou(box, track[-1][1]) > 0.5:
                        track.append((frame, box))
                        boxes.remove(box)
                else:
                    break
        found.append(track)
    return found


def scene(seed: int, frames: int = 160) -> list[list[tuple[float, ...]]]:
    """Three faces that walk, cross, vanish and are found twice."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(0, 60, (3, 2))
    boxes = []
    for frame in range(frames):
        places += rng.normal(0, 3, places.shape)
        here = []
        for k, (x, y) in enumerate(places):
            if frame // 30 % 3 == k and rng.random() < 0.9 or rng.random() < 0.2:
                continue
            side = 100 + 10 * k
            for _ in range(1 + (rng.random() < 0.2)):
                jitter = rng.normal(0, 6, 2)
                here.append((x + jitter[0], y + jitter[1], x + side, y + side + jitter[1]))
        boxes.append([here[k] for k in rng.permutation(len(here))])
    return boxes


@pytest.mark.parametrize("seed", range(20))
def test_one_pass_finds_the_tracks_of_many(seed: int) -> None:
    boxes = scene(seed)
    tracker, found = Tracker(), []
    for frame, here in enumerate(boxes):
        found += [track for track, begins in tracker.add(frame, here)[0] if begins]
    expected = by_passes(boxes)
    assert [track.frames for track in found] == [[frame for frame, _ in track] for track in expected]
    for track, (*taken,) in zip(found, expected):
        np.testing.assert_array_equal(track.boxes, [box for _, box in taken])
    assert len(expected) > 3


def test_gaps_are_linear() -> None:
    rng = np.random.default_rng(0)
    frames = np.sort(rng.choice(90, 30, replace=False))
    boxes = rng.uniform(0, 100, (30, 4))
    numbers, filled = tracks.Track(list(frames), list(boxes)).filled()
    np.testing.assert_array_equal(numbers, np.arange(frames[0], frames[-1] + 1))
    np.testing.assert_allclose(filled, interp1d(frames, boxes, axis=0)(numbers), atol=1e-9)


def test_two_boxes_of_a_frame_fill_as_the_script_does() -> None:
    frames, boxes = [3, 5, 5, 8], np.arange(16.0).reshape(4, 4) ** 2
    numbers, filled = tracks.Track(frames, list(boxes)).filled()
    np.testing.assert_allclose(filled, interp1d(frames, boxes, axis=0)(numbers))


def box(x: float, side: float = 120) -> tuple[float, float, float, float]:
    return x, 0.0, x + side, side


@pytest.mark.parametrize(("detections", "kept"), [(100, 0), (101, 1)])
def test_more_than_a_hundred_detections_are_needed(detections: int, kept: int) -> None:
    assert len(link((frame, [box(0)]) for frame in range(0, 2 * detections, 2))) == kept


@pytest.mark.parametrize(("side", "kept"), [(100.0, 0), (100.1, 1)])
def test_the_mean_size_is_above_a_hundred_pixels(side: float, kept: int) -> None:
    assert len(link((frame, [box(0, side)]) for frame in range(101))) == kept


@pytest.mark.parametrize(("gap", "count"), [(25, 1), (26, 2)])
def test_a_track_ends_after_a_gap(gap: int, count: int) -> None:
    frames = [*range(101), *range(100 + gap, 201 + gap)]
    assert len(link((frame, [box(0)]) for frame in frames)) == count


def test_the_box_after_a_taken_one_is_skipped() -> None:
    tracker = Tracker()
    first = tracker.add(0, [box(0), box(500)])[0]
    assert [(track.boxes[0][0], begins) for track, begins in first] == [(0.0, True), (500.0, True)]
    grown = tracker.add(1, [box(1), box(2), box(3)])[0]
    assert [track.frames for track, _ in grown] == [[0, 1, 1], [1]]
    assert [one[0] for one in grown[0][0].boxes] == [0, 1, 3]


def test_no_boxes_no_tracks() -> None:
    assert link((frame, []) for frame in range(200)) == []
    assert iou((0, 0, 0, 0), (0, 0, 0, 0)) == 0
