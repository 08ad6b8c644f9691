"""Clip metrics are functions of tracks: known values, and what must not move them."""

from __future__ import annotations

import numpy as np
import pytest

from bench.features.base import Feature
from bench.features.pixels import FrameDifference, Sharpness, WarpingError
from bench.metrics.clips.base import Tracks
from bench.metrics.clips.catalogue import CLIP_DEFINITIONS, FEATURES
from bench.metrics.families import FAMILIES

N = 50
RNG = np.random.default_rng(0)
FACE = RNG.uniform(60, 200, (68, 2))
TRUTH = FACE + np.cumsum(RNG.normal(0, 0.5, (N, 68, 2)), axis=0)


def tracks(
    made: np.ndarray | None = None, kind: str = "landmarks", truth: np.ndarray = TRUTH, **other: object
) -> Tracks:
    side = {kind: truth}
    return Tracks(np.arange(N) / 25, 25.0, (256, 256), {kind: truth if made is None else made}, side, side, **other)


def value(name: str, given: Tracks) -> float:
    return CLIP_DEFINITIONS[name].compute(given).value


def test_every_definition_is_of_a_family_of_clips_in_its_unit() -> None:
    for name, one in CLIP_DEFINITIONS.items():
        family = FAMILIES[one.family]
        assert family.shape == "clip"
        assert one.unit in family.units
        assert (one.name, one.higher_is_better) == (name, family.higher_is_better)
        assert all(feature in FEATURES for feature in one.features)


@pytest.mark.parametrize("name", ["lmd", "lmd-face", "lmd-sum", "lmd-unaligned", "lmd-norm", "landmark-velocity"])
def test_the_true_clip_has_no_distance(name: str) -> None:
    assert value(name, tracks()) == 0


def test_landmark_distances_of_moved_points() -> None:
    moved = tracks(TRUTH + np.array([3.0, 4.0]))
    assert value("lmd-unaligned", moved) == pytest.approx(5)
    assert value("lmd", moved) == pytest.approx(0, abs=1e-9)
    larger = tracks(TRUTH.mean(1, keepdims=True) + 1.1 * (TRUTH - TRUTH.mean(1, keepdims=True)))
    assert value("lmd-sum", larger) == pytest.approx(20 * value("lmd", larger))
    eyes = np.linalg.norm(TRUTH[:, 36:42].mean(1) - TRUTH[:, 42:48].mean(1), axis=1)
    each = CLIP_DEFINITIONS["lmd"].compute(tracks(TRUTH + RNG.normal(0, 1, TRUTH.shape)))
    assert each.n == N
    assert value("lmd-norm", tracks(TRUTH * 2, truth=TRUTH * 2)) == 0
    assert np.isfinite(eyes).all()


def test_frames_without_a_face_are_counted_and_time_stays() -> None:
    made = TRUTH.copy()
    made[10:15] = np.nan
    found = CLIP_DEFINITIONS["lmd"].compute(tracks(made))
    assert (found.value, found.n, found.failed, found.reason) == (0, N - 5, 5, None)
    nothing = CLIP_DEFINITIONS["lmd"].compute(tracks(np.full_like(TRUTH, np.nan)))
    assert np.isnan(nothing.value)
    assert (nothing.failed, bool(nothing.reason)) == (N, True)
    velocity = CLIP_DEFINITIONS["landmark-velocity"].compute(tracks(made))
    assert (velocity.value, velocity.n, velocity.failed) == (0, N - 1 - 6, 6)


def test_jitter_is_a_ratio_and_noise_raises_it() -> None:
    assert value("jitter", tracks()) == pytest.approx(1)
    assert value("jitter", tracks(TRUTH + RNG.normal(0, 2, TRUTH.shape))) > 2
    assert value("jitter", tracks(np.broadcast_to(FACE, TRUTH.shape))) == 0
    assert np.isnan(value("jitter", tracks(truth=np.broadcast_to(FACE, TRUTH.shape))))


def test_dynamic_degree_of_a_still_and_of_a_moving_face() -> None:
    assert value("dynamic-degree", tracks(np.broadcast_to(FACE, TRUTH.shape))) == pytest.approx(0, abs=1e-9)
    swing = FACE + np.array([3.0, 0.0]) * np.where(np.arange(N) % 2, 1, -1)[:, None, None]
    assert value("dynamic-degree", tracks(swing)) == pytest.approx(3)


def test_pose_distance_takes_the_short_way_round() -> None:
    pose = np.tile([179.0, 0.0, 0.0], (N, 1))
    other = np.tile([-179.0, 0.0, 0.0], (N, 1))
    assert value("pose-distance", tracks(other, "headpose", pose)) == pytest.approx(2 / 3)


def test_identity_over_time() -> None:
    source, other = np.eye(128)[0], np.eye(128)[1]
    angle = np.linspace(0, 0.5, N)[:, None]
    turning = np.cos(angle) * source + np.sin(angle) * other
    given = tracks(turning, "identity", turning, source={"identity": source})
    assert value("id-source", given) == pytest.approx(np.cos(angle).mean())
    assert value("id-consecutive", given) == pytest.approx(np.cos(0.5 / (N - 1)))
    assert value("id-drift", given) < 0
    assert np.isnan(value("id-source", tracks(turning, "identity", turning, source={"identity": source * np.nan})))


FRAMES = RNG.integers(0, 256, (6, 40, 50, 3)).astype(np.uint8)


def rows(feature: Feature, frames: np.ndarray, times: np.ndarray) -> np.ndarray:
    recorder = feature.start(None)
    recorder.add(frames, times)
    return recorder.finish()


@pytest.mark.parametrize("feature", [Sharpness, FrameDifference, WarpingError])
def test_features_do_not_depend_on_how_frames_fall_into_calls(feature: type) -> None:
    times = np.arange(6) / 25
    at_once = rows(feature(), FRAMES, times)
    one_by_one = feature().start(None)
    for k in range(6):
        one_by_one.add(FRAMES[k : k + 1], times[k : k + 1])
    assert np.array_equal(at_once, one_by_one.finish(), True)
    assert at_once.shape == (6, 1)


def test_features_of_known_frames() -> None:
    times = np.arange(2) / 25
    flat = np.stack([np.full((40, 50, 3), level, np.uint8) for level in (100, 151)])
    assert rows(Sharpness(), flat, times)[:, 0] == pytest.approx([0, 0])
    assert rows(FrameDifference(), flat, times)[1, 0] == pytest.approx(51 / 255)
    still = np.stack([FRAMES[0]] * 2)
    assert rows(WarpingError(), still, times)[1, 0] == pytest.approx(0, abs=1e-6)


def test_flow_explains_a_shift_and_not_a_change() -> None:
    import cv2

    texture = cv2.GaussianBlur(RNG.integers(0, 256, (80, 120, 3)).astype(np.uint8), (0, 0), 3)
    texture = cv2.normalize(texture, None, 0, 255, cv2.NORM_MINMAX)
    times = np.arange(2) / 25
    moved = np.stack([texture[:, 2:-2], texture[:, :-4]])
    other = np.stack([texture[:, 2:-2], texture[::-1, 2:-2]])
    explained, not_explained = (rows(WarpingError(), pair, times)[1, 0] for pair in (moved, other))
    plain = float((((moved[0].astype(float) - moved[1]) / 255) ** 2).mean())
    assert explained < 0.2 * plain
    assert explained < not_explained
