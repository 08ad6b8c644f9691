"""The embedded detectors on real faces of the sample set, and on heads whose pose is known."""

from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from support.refused import refused

from bench.detectors import geometric_aus, headpose
from bench.detectors.base import NO_FACE, Detector
from bench.detectors.dlib68 import Dlib68, model_file
from bench.detectors.dlib_identity import DlibIdentity
from bench.detectors.geometric_aus import GeometricActionUnits
from bench.detectors.headpose import PnpHeadPose
from bench.runtime.errors import UserError

MIRROR = [
    *range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, *range(35, 30, -1), 45, 44, 43, 42, 47, 46, 39, 38, 37, 36,
    41, 40, *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), 67, 66, 65,
]  # fmt: skip


@pytest.fixture(scope="module")
def landmarks() -> Dlib68:
    return Dlib68()


@pytest.fixture(scope="module")
def frame(sample_set: Path):
    """``frame("j_onset", 0)``: the n-th frame of a clip, uint8 ``(256, 256, 3)``."""

    def read(clip: str, number: int) -> np.ndarray:
        return np.asarray(Image.open(sorted((sample_set / clip).glob("*.png"))[number]).convert("RGB"))

    return read


def one(detector: Detector, image: np.ndarray) -> np.ndarray:
    return detector.detect(np.ascontiguousarray(image)[None])[0].values


def test_mirror_is_a_permutation_of_the_68_points() -> None:
    assert sorted(MIRROR) == list(range(68)) and [MIRROR[k] for k in MIRROR] == list(range(68))


@pytest.mark.parametrize(("clip", "number"), [("j_onset", 0), ("w_tilt", 0), ("c_tilt", 4)])
def test_landmarks_move_grow_and_mirror_with_the_face(clip: str, number: int, landmarks: Dlib68, frame) -> None:
    image = frame(clip, number)
    points = one(landmarks, image)
    assert points.shape == (68, 2)
    moved = one(landmarks, np.roll(image, (-4, 6), (0, 1))) - [6, -4]
    assert np.abs(moved - points).mean() < 1.2
    larger = one(landmarks, cv2.resize(image, (384, 384), interpolation=cv2.INTER_CUBIC))
    assert np.abs(larger - points).mean() < 1.5  # in pixels of a frame of 256, whatever its own size
    mirrored = one(landmarks, image[:, ::-1])[MIRROR]
    assert np.abs(mirrored * [-1, 1] + [255, 0] - points).mean() < 3.0


def test_landmarks_are_where_a_face_has_them(landmarks: Dlib68, frame) -> None:
    """A frontal face: eyes level, above the nose, above the mouth, above the chin; its jaw the outermost."""
    points = one(landmarks, frame("j_onset", 0))
    parts = (range(36, 42), range(42, 48), [30], range(48, 60), [8])
    right, left, nose, mouth, chin = (points[list(part)].mean(0) for part in parts)
    assert right[0] < nose[0] < left[0] and abs(right[1] - left[1]) < 8
    assert right[1] + 15 < nose[1] < mouth[1] - 8 and mouth[1] + 12 < chin[1]
    assert points[0, 0] < points[17:, 0].min() and points[17:, 0].max() < points[16, 0]


def test_no_face_is_said_and_does_not_disturb_the_others(landmarks: Dlib68, frame) -> None:
    nothing = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    alone = one(landmarks, frame("j_onset", 0))
    found = landmarks.detect(np.stack([nothing, frame("j_onset", 0)]))
    assert found[0].values is None and found[0].reason == NO_FACE
    np.testing.assert_array_equal(found[1].values, alone)
    derived = PnpHeadPose(landmarks).detect(nothing[None])[0]
    assert derived.values is None and derived.reason == NO_FACE


def test_a_face_too_small_for_the_first_look_is_found_enlarged(landmarks: Dlib68, frame) -> None:
    """dlib's finder knows faces from about 80 pixels on; here it is about 45 wide."""
    small = np.full((256, 256, 3), 128, dtype=np.uint8)
    small[88:168, 88:168] = cv2.resize(frame("j_onset", 0), (80, 80), interpolation=cv2.INTER_AREA)
    assert not landmarks._finder(small, 0)
    expected = one(landmarks, frame("j_onset", 0)) * 80 / 256 + 88
    assert np.abs(one(landmarks, small) - expected).mean() < 1.5


def test_identities_are_near_within_a_person_and_far_between(landmarks: Dlib68, frame) -> None:
    detector = DlibIdentity(landmarks)
    people = {"w": ("w_smile", "w_tilt"), "j": ("j_onset", "j_smile"), "c": ("c_talk", "c_tilt")}
    found = {(p, clip): one(detector, frame(clip, 3)) for p, clips in people.items() for clip in clips}
    for (first, a), (second, b) in itertools.combinations(found.items(), 2):
        distance = np.linalg.norm(a - b)
        low, high = (0.0, 0.56) if first[0] == second[0] else (0.70, 1.05)
        assert low < distance < high, (first, second, distance)


def test_identity_is_taken_from_the_aligned_face(landmarks: Dlib68, frame) -> None:
    """Turned by 12 degrees and made smaller it is the same face."""
    detector = DlibIdentity(landmarks)
    image = frame("j_onset", 0)
    turn = cv2.getRotationMatrix2D((128, 128), 12, 0.9)
    turned = cv2.warpAffine(image, turn, (256, 256), borderMode=cv2.BORDER_REFLECT)
    assert np.linalg.norm(one(detector, image) - one(detector, turned)) < 0.25
    assert one(detector, image).shape == (128,)


@pytest.mark.parametrize("angles", [(0, 0, 0), (12, -25, 8), (-18, 30, -33), (5, 2, 40)])
@pytest.mark.parametrize("shift", [(0, 0, 700), (60, -40, 900)])
def test_a_known_pose_is_found_again(angles: tuple[float, ...], shift: tuple[float, ...]) -> None:
    np.testing.assert_allclose(headpose.fit(project(np.array(angles), shift), (128, 128)), angles, atol=0.02)


def test_the_directions_are_as_documented() -> None:
    """Nearer points of the head (its middle) move down with pitch and to the left with yaw, against the far ones."""
    mouth, brow = 57, 17
    frontal, down, left, clockwise = (np.array(a) for a in ((0, 0, 0), (15, 0, 0), (0, 15, 0), (0, 0, 15)))
    for angles, axis, sign in ((down, 1, 1), (left, 0, -1)):
        moved = project(angles)[mouth] - project(frontal)[mouth]
        assert sign * (moved[axis] - (project(angles)[brow] - project(frontal)[brow])[axis]) > 0.5
    assert project(clockwise)[26, 1] > project(clockwise)[17, 1] + 10  # the picture's right side goes down


@pytest.mark.parametrize(
    ("clip", "number", "expected"),
    [
        ("w_cry", 0, (-1.6, 8.6, -4.7)),
        ("w_smile", 94, (-13.0, -3.2, 3.8)),
        ("w_tilt", 60, (4.9, 7.2, 23.6)),
        ("j_onset", 0, (-1.9, 0.4, -3.1)),
    ],
)
def test_pose_of_real_faces(clip: str, number: int, expected: tuple, landmarks: Dlib68, frame) -> None:
    """As measured, inside the ranges of an independent fit; mirrored and turned with the picture."""
    pose, image = PnpHeadPose(landmarks), frame(clip, number)
    angles = one(pose, image)
    np.testing.assert_allclose(angles, expected, atol=1.5)
    np.testing.assert_allclose(one(pose, image[:, ::-1]) * [1, -1, -1], angles, atol=4)
    upright = -10 if angles[2] > 0 else 10  # clockwise
    turn = cv2.getRotationMatrix2D((128, 128), -upright, 0.9)
    turned = cv2.warpAffine(image, turn, (256, 256), borderMode=cv2.BORDER_REFLECT)
    assert one(pose, turned)[2] - angles[2] == pytest.approx(upright, abs=1.5)


@pytest.mark.parametrize(
    ("clip", "number", "active"),
    [
        ("j_onset", 0, ""),
        ("j_onset", 22, "AU12 AU25"),
        ("w_cry", 40, "AU04 AU12 AU43"),
        ("w_smile", 117, "AU12 AU25"),
        ("w_tilt", 60, "AU12 AU25 AU43"),
        ("c_tilt", 14, ""),
        ("c_tilt", 28, "AU25 AU26"),
        ("c_talk", 59, "AU25 AU26"),
    ],
)
def test_action_units_of_real_faces(clip: str, number: int, active: str, landmarks: Dlib68, frame) -> None:
    """Seen with the eye: neutral, smile, frown with closed eyes, smile, smile with closed eyes, closed, open mouth."""
    values = one(GeometricActionUnits(landmarks), frame(clip, number))
    assert ((values >= 0) & (values <= 1)).all()
    assert [unit for unit, value in zip(geometric_aus.UNITS, values) if value > 0.5] == active.split()


def test_measures_do_not_depend_on_size_place_and_roll(landmarks: Dlib68, frame) -> None:
    points = one(landmarks, frame("w_smile", 117))
    turn = np.array([[np.cos(0.5), np.sin(0.5)], [-np.sin(0.5), np.cos(0.5)]])
    moved = points @ turn * 1.7 + [12, -30]
    np.testing.assert_allclose(geometric_aus.measures(moved), geometric_aus.measures(points), rtol=1e-9)


def test_signatures_name_weights_settings_and_what_they_stand_on(landmarks: Dlib68) -> None:
    assert "weights:fbdc2cb80eb9" in landmarks.signature and "dlib:" in landmarks.signature
    for derived in (DlibIdentity, PnpHeadPose, GeometricActionUnits):
        assert f"on:({landmarks.signature})" in derived(landmarks).signature


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.detectors.dlib68.package_folder", lambda package: None)
    with refused(UserError, "missing-package"):
        model_file("shape_predictor_68_face_landmarks.dat")


def project(degrees: np.ndarray, shift: tuple[float, ...] = (0, 0, 700)) -> np.ndarray:
    """Landmarks ``(68, 2)``, only those of the head's model set, of a head turned by pitch, yaw and roll."""
    (a, b, c), (d, e, f) = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    about_x, about_y = [[1, 0, 0], [0, a, -d], [0, d, a]], [[b, 0, e], [0, 1, 0], [-e, 0, b]]
    turn = np.linalg.multi_dot([[[c, -f, 0], [f, c, 0], [0, 0, 1]], about_y, about_x])
    turned = np.array(list(headpose.HEAD.values())) @ turn.T + shift
    points = np.zeros((68, 2))
    points[list(headpose.HEAD)] = turned[:, :2] / turned[:, 2:] * headpose.FOCAL * 256 + 128
    return points
