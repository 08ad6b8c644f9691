"""Google's face networks: golden numbers of an independent run, geometry, and frames that are no portraits."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data, transform

from baselines.facemesh import blazeface, canonical, mesh
from baselines.facemesh.boxes import FACE_RULE
from baselines.facemesh.crop import Crop, rotation
from baselines.facemesh.mesh import around, look, start
from bench import detectors
from bench.detectors import mesh_headpose
from bench.detectors.base import NO_FACE, Detector
from bench.detectors.cache import cached
from bench.detectors.dlib68 import Dlib68
from bench.detectors.headpose import PnpHeadPose
from bench.detectors.mesh import Mesh

# Of three frames of scikit-image's astronaut: as she is, mirrored, turned by 12 degrees. The files were read and run
# layer by layer in torch, crops sampled by SciPy from the fixed point of 25 rounds, in code that shares nothing with
# this program's. Point of the mesh: x, y, z; then x and y of both irises, openness of both eyes, x0, y0, x1, y1 of the
# best box alone.
GOLDEN = {
    "upright": {
        "mesh": {1: (126.3, 130.8, -23.1), 33: (97.6, 100.7, 4.7), 61: (104.3, 138.6, 7.9),
                 152: (123.9, 176.4, 8.6), 263: (160.1, 103.9, 3.6), 291: (149.5, 141.3, 7.0)},
        "irises": [(107.1, 100.5), (150.0, 102.9)], "lids": (0.326, 0.319), "box": (76.5, 71.5, 179.2, 174.1),
    },
    "mirrored": {
        "mesh": {1: (126.0, 131.2, -22.8), 33: (95.6, 103.1, 4.4), 61: (104.9, 140.6, 7.8),
                 152: (126.7, 176.9, 8.6), 263: (157.1, 101.1, 3.6), 291: (149.5, 139.5, 7.1)},
        "irises": [(104.9, 103.0), (148.0, 100.4)], "lids": (0.332, 0.323), "box": (74.9, 72.0, 182.2, 179.2),
    },
    "turned": {
        "mesh": {1: (125.6, 130.4, -23.3), 33: (103.5, 94.8, 4.6), 61: (102.5, 133.5, 7.9),
                 152: (113.7, 174.8, 9.2), 263: (164.7, 111.1, 3.6), 291: (146.1, 145.6, 7.1)},
        "irises": [(113.3, 97.1), (154.8, 108.1)], "lids": (0.319, 0.318), "box": (80.2, 76.0, 179.5, 175.2),
    },
}  # fmt: skip
FRAMES = tuple(GOLDEN)


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return np.ascontiguousarray(data.astronaut()[:256, 96:352])


@pytest.fixture(scope="module")
def frames(astronaut: np.ndarray) -> np.ndarray:
    turned = np.round(transform.rotate(astronaut, -12, mode="edge", order=1) * 255).astype(np.uint8)
    return np.stack([astronaut, astronaut[:, ::-1], turned])


@pytest.fixture(scope="module")
def choice() -> detectors.DetectorSet:
    return detectors.choose("embedded", None, kinds=detectors.MESH)


def values(detector: Detector, frames: np.ndarray) -> np.ndarray:
    return np.stack([one.values for one in detector.detect(frames)])


def flat(one: np.ndarray, other: np.ndarray) -> float:
    """Mean distance of points in the picture, in pixels."""
    return float(np.linalg.norm(one[:, :2] - other[:, :2], axis=1).mean())


@pytest.mark.parametrize("name", FRAMES)
def test_golden_numbers(name: str, frames: np.ndarray, choice: detectors.DetectorSet) -> None:
    """Within a pixel: three rounds in place of 25, crops of 8 bits; the boxes are means of all that overlap."""
    golden, image = GOLDEN[name], frames[FRAMES.index(name)][None]
    points = values(choice["mesh"], image)[0]
    np.testing.assert_allclose(points[list(golden["mesh"])], list(golden["mesh"].values()), atol=1.0)
    np.testing.assert_allclose(values(choice["eyes"], image)[0][:, 71], golden["irises"], atol=1.0)
    np.testing.assert_allclose(values(choice["lids"], image)[0], golden["lids"], atol=0.025)
    np.testing.assert_allclose(values(choice["face"], image)[0][:4], golden["box"], atol=4)


def test_shapes_names_and_signatures(frames: np.ndarray, choice: detectors.DetectorSet) -> None:
    assert list(choice) == list(detectors.MESH)
    for kind, detector in choice.items():
        found = values(detector, frames)
        assert detector.kind == kind and detector.proxy
        assert found.shape == (3, *detector.shape) and found.dtype == np.float64 and np.isfinite(found).all()
        assert f"face:{FACE_RULE}" in detector.signature and "litert:" in detector.signature


def test_a_frame_alone_is_as_among_others(frames: np.ndarray, choice: detectors.DetectorSet) -> None:
    for detector in choice.values():
        together = values(detector, frames)
        backwards = values(detector, frames[::-1])[::-1]
        alone = np.concatenate([values(detector, frame[None]) for frame in frames])
        assert np.array_equal(together, backwards) and np.array_equal(together, alone)


def test_the_answer_barely_depends_on_where_the_crop_began(astronaut: np.ndarray) -> None:
    """Tracked from elsewhere, or asked alone: what `ROUNDS` leave of the start is under a pixel (docs/detectors.md)."""
    detector = Mesh()
    alone = detector.detect(astronaut[None])[0].values
    good = start(next(blazeface.candidates(astronaut))[0])
    for shift, scale, turn in (((6, 0), 1, 0), ((0, -6), 1, 0), ((0, 0), 1.12, 0), ((0, 0), 0.9, 0), ((0, 0), 1, 0.1)):
        crop = Crop(good.center + shift, good.side * scale, good.angle + turn)
        for _ in range(mesh.ROUNDS):
            points, _ = look(astronaut, crop)
            crop = around(points)
        assert flat(points, alone) < 1.0


@pytest.mark.parametrize("step", [1, -1])
def test_tracked_and_alone_agree_on_a_clip(step: int, sample_set: Path) -> None:
    """The tolerance of docs/detectors.md, on a moving face: tracking takes the crop from the mesh of the frame before.

    Forwards and backwards: the frames before a frame have no say in its own answer, and little in the tracked one.
    """
    detector, previous, gaps = Mesh(), None, []
    for file in sorted((sample_set / "w_tilt").glob("*.png"))[:16][::step]:
        frame = np.ascontiguousarray(cv2.imread(str(file))[..., ::-1])
        alone = detector.detect(frame[None])[0].values
        previous = alone if previous is None else look(frame, around(previous))[0]
        gaps.append(flat(previous, alone))
    assert 0 < np.mean(gaps) < 0.5 and max(gaps) < 1.5


def test_points_follow_size_place_and_turn(astronaut: np.ndarray) -> None:
    points = values(Mesh(), astronaut[None])[0]
    for image in (
        cv2.resize(astronaut, (640, 640), interpolation=cv2.INTER_CUBIC),
        cv2.resize(astronaut, (150, 150), interpolation=cv2.INTER_AREA),
    ):
        assert flat(values(Mesh(), image[None])[0], points) < 1.2
    moved = np.roll(astronaut, (-9, 14), (0, 1))
    assert flat(values(Mesh(), moved[None])[0], points + [14, -9, 0]) < 0.8
    matrix = cv2.getRotationMatrix2D((128, 128), -25, 0.9)  # clockwise
    turned = cv2.warpAffine(astronaut, matrix, (256, 256), borderMode=cv2.BORDER_REFLECT)
    assert flat(values(Mesh(), turned[None])[0], points[:, :2] @ matrix[:, :2].T + matrix[:, 2]) < 1.5


def test_head_pose_has_the_signs_of_the_other_detector(frames: np.ndarray, sample_set: Path) -> None:
    """Three frames of the astronaut and real ones far from frontal; a fit of 14 landmarks is noisy in pitch."""
    ours, theirs = mesh_headpose.MeshHeadPose(Mesh()), PnpHeadPose(Dlib68())
    real = [("w_cry", 0), ("w_smile", 94), ("w_tilt", 60), ("c_tilt", 4)]
    files = [sorted((sample_set / clip).glob("*.png"))[k] for clip, k in real]
    images = np.concatenate([frames, [np.ascontiguousarray(cv2.imread(str(file))[..., ::-1]) for file in files]])
    gaps = values(ours, images) - values(theirs, images)
    assert (np.abs(gaps) < [8, 5, 4]).all()
    rolls = values(ours, frames)[:, 2]
    assert rolls[2] - rolls[0] == pytest.approx(12, abs=1.5)


@pytest.mark.parametrize("degrees", [(0, 0, 0), (12, -25, 8), (-18, 30, -33)])
def test_a_known_pose_is_found_again(degrees: tuple[float, ...]) -> None:
    """Of the canonical face turned, in the middle of the picture; beside it the line of sight adds its angle."""
    pitch, yaw, roll = np.radians(degrees)
    about_x = np.eye(3)
    about_x[1:, 1:] = rotation(pitch)
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_z = np.eye(3)
    about_z[:2, :2] = rotation(roll)
    head, _ = canonical.canonical()
    points = head @ (about_z @ about_y @ about_x).T * 7 + [128, 128, 5]
    np.testing.assert_allclose(mesh_headpose.fit(points, (128, 128)), degrees, atol=1e-9)
    if not any(degrees):
        aside = mesh_headpose.fit(points + [64, 0, 0], (128, 128))
        np.testing.assert_allclose(aside, [0, np.degrees(np.arctan(64 / (1.2 * 256))), 0], atol=1e-9)


def test_the_face_rule(astronaut: np.ndarray) -> None:
    """The largest; of equal ones the leftmost, then the topmost; all of them for who asks."""

    def face(side: int) -> np.ndarray:
        return cv2.resize(astronaut, (side, side), interpolation=cv2.INTER_AREA)

    image = np.full((400, 400, 3), 128, np.uint8)
    image[200:320, 10:130], image[20:260, 150:390] = face(120), face(240)
    boxes = blazeface.faces(image[None])[0]
    assert boxes.shape == (2, 5) and (boxes[:, 2] - boxes[:, 0])[0] > 1.5 * (boxes[:, 2] - boxes[:, 0])[1]
    middle = values(Mesh(), image[None])[0].mean(0)[:2] * 400 / 256
    assert np.abs(middle - (270, 140)).max() < 25


def test_of_equal_boxes_the_leftmost_then_the_topmost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Boxes have fractions of pixels, so those of two copies of a face are seldom equal."""
    corners = np.array([[0, 0, 40, 40], [30, 60, 90, 120], [50, 10, 110, 70], [30, 20, 90, 80]])
    found = np.column_stack([corners, np.zeros((4, 12)), [0.99, 0.7, 0.9, 0.6]])
    monkeypatch.setattr(blazeface, "_find", lambda finder, frame: found)
    boxes = blazeface.faces(np.zeros((1, 200, 200, 3), np.uint8))[0]
    assert boxes[:, 4].tolist() == [0.6, 0.7, 0.9, 0.99]


@pytest.mark.parametrize("kind", ["face", "mesh", "landmarks-mesh", "headpose-mesh", "lids", "iris"])
def test_no_face_is_a_reason(kind: str, choice: detectors.DetectorSet) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (2, 96, 128, 3), dtype=np.uint8)
    images = [np.zeros_like(noise), np.full_like(noise, 255), noise[:, :1, :1], noise[:, :3, :90]]
    for image in images if kind == "face" else [noise, *images]:  # in noise BlazeFace alone sees a face
        for found in choice[kind].detect(image):
            assert found.values is None and found.reason == NO_FACE


def test_frames_that_are_no_portraits(astronaut: np.ndarray) -> None:
    """Gray, dark, small in a large frame, wide, tall, half out of the frame: a face, or a reason."""
    detector = Mesh()
    points = values(detector, astronaut[None])[0]
    gray = np.repeat(astronaut.mean(2, keepdims=True), 3, 2).astype(np.uint8)
    assert flat(values(detector, gray[None])[0], points) < 2
    assert flat(values(detector, (astronaut // 4)[None])[0], points) < 3
    huge = np.full((2160, 3840, 3), 90, np.uint8)
    huge[500:1012, 1800:2312] = cv2.resize(astronaut, (512, 512), interpolation=cv2.INTER_CUBIC)
    assert flat(values(detector, huge[None])[0] * 15, points * 2 + [1800, 500, 0]) < 4
    tall = np.full((1200, 300, 3), 90, np.uint8)
    tall[700:956, 20:276] = astronaut
    assert flat(values(detector, tall[None])[0] * (300 / 256), points + [20, 700, 0]) < 2
    for cut in (astronaut[:, 128:], astronaut[:, :128], astronaut[128:]):
        (found,) = detector.detect(np.ascontiguousarray(cut)[None])
        assert (found.values is None) == (found.reason is not None)
        assert found.values is None or np.isfinite(found.values).all()


def test_a_small_face_is_found_by_the_second_network(astronaut: np.ndarray) -> None:
    image = np.full((720, 1280, 3), 128, np.uint8)
    image[300:540, 600:840] = cv2.resize(astronaut, (240, 240), interpolation=cv2.INTER_AREA)
    assert not len(blazeface._find(blazeface.FINDERS[0], image))
    points = values(Mesh(), image[None])[0] * 5
    assert flat(points, values(Mesh(), astronaut[None])[0] * (240 / 256) + [600, 300, 0]) < 1.5


def test_a_box_that_is_no_face_does_not_hide_one(astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever network reports it: the mesh sees none there, and the next box is tried."""
    image = np.concatenate([astronaut, np.full_like(astronaut, 90)], 1)
    expected, find = values(Mesh(), image[None])[0], blazeface._find
    wrong = np.array([[290, 20, 490, 220, 350, 80, 430, 80, 390, 120, 390, 160, 300, 90, 480, 90, 0.99]], float)
    monkeypatch.setattr(blazeface, "_find", lambda finder, frame: np.concatenate([wrong, find(finder, frame)]))
    assert np.array_equal(values(Mesh(), image[None])[0], expected)
    short = blazeface.FINDERS[0]
    monkeypatch.setattr(blazeface, "_find", lambda finder, frame: wrong if finder is short else find(finder, frame))
    assert flat(values(Mesh(), image[None])[0], expected) < 1


def test_lids_and_gaze_follow_the_picture(
    astronaut: np.ndarray, sample_set: Path, choice: detectors.DetectorSet
) -> None:
    """Closed eyes are less open; the gaze of the mirrored picture goes to the other side."""
    clip = sorted((sample_set / "w_cry").glob("*.png"))
    opened, closed = (np.ascontiguousarray(cv2.imread(str(clip[k]))[..., ::-1]) for k in (0, 40))
    lids = values(choice["lids"], np.stack([opened, closed]))
    assert (lids[0] > 1.5 * lids[1]).all()
    gaze = values(choice["iris"], np.stack([astronaut, astronaut[:, ::-1]]))
    assert gaze[0, 0] == pytest.approx(gaze[1, 0], abs=4) and gaze[0, 1] == pytest.approx(-gaze[1, 1], abs=4)
    moved = values(choice["eyes"], astronaut[None])[0]
    moved[:, 71:, 0] -= 2  # both irises to the picture's left
    assert choice["iris"].derive(moved, astronaut).values[1] > gaze[0, 1] + 5


def test_kept_pickled_and_asked_by_threads_it_says_the_same(
    frames: np.ndarray, tmp_path: Path, choice: detectors.DetectorSet
) -> None:
    kept = cached(choice, tmp_path)
    for kind, detector in choice.items():
        expected = values(detector, frames)
        for again in (kept[kind], kept[kind], pickle.loads(pickle.dumps(detector))):
            assert np.array_equal(values(again, frames), expected)
    found: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: found.append(values(choice["mesh"], frames))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(one, values(choice["mesh"], frames)) for one in found) and len(found) == 3


def test_loading_writes_nothing_to_the_console() -> None:
    code = (
        "import sys; import numpy as np; from baselines.facemesh.blazeface import faces; "
        "faces(np.zeros((1, 9, 9, 3), np.uint8)); print('kept', file=sys.stderr)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr == "kept\n"


def test_nothing_is_loaded_before_a_frame_is_looked_at() -> None:
    code = (
        "import sys; from bench import detectors; c = detectors.choose('embedded', None); c['lids'].signature; "
        "sys.exit('ai_edge_litert' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
