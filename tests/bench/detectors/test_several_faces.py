"""Which face counts where a frame has several: one rule for all detectors, whatever order their finders have."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bench.detectors import face_alignment_2d, pyfeat
from bench.detectors.base import FACE_RULE, largest_face
from bench.detectors.dlib68 import Dlib68

# Largest: 1 and 2 and 3; leftmost of these: 1 and 3; topmost of these: 3. 0 is the most certain one.
BOXES = np.array([[0, 0, 40, 40, 0.99], [30, 60, 90, 120, 0.7], [50, 10, 110, 70, 0.9], [30, 20, 90, 80, 0.6]])


@given(st.permutations(range(4)))
def test_the_largest_then_the_leftmost_then_the_topmost(order: list[int]) -> None:
    assert order[largest_face(BOXES[order])] == 3
    rest = [k for k in order if k != 3]
    assert rest[largest_face(BOXES[rest])] == 1


@pytest.fixture(scope="module")
def faces(sample_set: Path):
    """``faces("su", 180)``: a portrait as uint8 ``(180, 180, 3)``."""

    def read(name: str, side: int) -> np.ndarray:
        image = np.asarray(Image.open(sample_set / "still" / name / "0000000.png").convert("RGB"))
        return cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)

    return read


@pytest.mark.parametrize(
    ("small", "large"), [((0, 0), (60, 160)), ((220, 20), (40, 0)), ((130, 0), (0, 190)), ((0, 240), (100, 0))]
)
def test_dlib_takes_the_larger_of_two_people(faces, small: tuple[int, int], large: tuple[int, int]) -> None:
    image = np.full((400, 400, 3), 128, dtype=np.uint8)
    image[small[0] : small[0] + 130, small[1] : small[1] + 130] = faces("su", 130)
    image[large[0] : large[0] + 210, large[1] : large[1] + 210] = faces("multi1", 210)
    finder = Dlib68()
    assert len(finder._finder(image, 0) or finder._finder(image, 1)) == 2
    middle = finder.detect(image[None])[0].values.mean(0) * 400 / 256
    assert np.abs(middle - (large[1] + 105, large[0] + 120)).max() < 25


@pytest.mark.parametrize(("side", "axis"), [(240, 1), (200, 0)])  # where dlib rounds both boxes to one size
def test_of_equal_faces_dlib_takes_the_leftmost_or_topmost(faces, side: int, axis: int) -> None:
    image = np.concatenate([faces("su", side)] * 2, axis)
    finder = Dlib68()
    found = finder._finder(image, 0)
    assert len({(box.width(), box.height()) for box in found}) == 1 and len(found) == 2
    middle = finder.detect(image[None])[0].values.mean(0) * image.shape[1] / 256
    assert middle.max() < side


def test_face_alignment_takes_the_same_face(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face_alignment_2d, "missing", lambda weights: [])
    detector = face_alignment_2d.FaceAlignment2D(None)
    finder = SimpleNamespace(detect_from_image=lambda image: list(BOXES))

    def landmarks(image: np.ndarray, detected_faces: list[np.ndarray]) -> list[np.ndarray]:
        return [np.tile(box[:2], (68, 1)) for box in detected_faces]

    vars(detector)["_aligner"] = SimpleNamespace(face_detector=finder, get_landmarks_from_image=landmarks)
    found = detector.detect(np.zeros((1, 128, 128, 3), dtype=np.uint8))[0].values
    np.testing.assert_array_equal(found, np.tile(BOXES[3, :2] * 2, (68, 1)))


def test_py_feat_takes_the_same_face(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyfeat, "missing", list)
    table = pd.DataFrame({"FaceRectX": BOXES[:, 0], "FaceRectY": BOXES[:, 1], "FaceScore": BOXES[:, 4]})
    table["FaceRectWidth"], table["FaceRectHeight"] = BOXES[:, 2] - BOXES[:, 0], BOXES[:, 3] - BOXES[:, 1]
    for name in (*pyfeat.ANGLES, *pyfeat.UNITS):
        table[name] = np.arange(4) / 10
    lost = pd.DataFrame({name: [np.nan] for name in table})  # py-feat's row for a frame, or a box, without a face
    detector = pyfeat.PyFeat()
    vars(detector)["_detector"] = SimpleNamespace(detect=lambda *_, **__: pd.concat([lost, table], ignore_index=True))
    found = detector.detect(np.zeros((1, 128, 128, 3), dtype=np.uint8))[0].values
    np.testing.assert_allclose(found, [*np.degrees([0.3] * 3), *[0.3] * 20])


def test_the_rule_is_in_every_signature(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for module in (face_alignment_2d, pyfeat):
        monkeypatch.setattr(module, "missing", lambda *_: [])
        monkeypatch.setattr(module.metadata, "version", lambda package: "0")
    monkeypatch.setattr(face_alignment_2d, "find_file", lambda name, weights: tmp_path / name)
    monkeypatch.setattr(face_alignment_2d, "short_hash", lambda file: "0")
    monkeypatch.setattr(pyfeat, "weight_files", list)
    for detector in (Dlib68(), face_alignment_2d.FaceAlignment2D(None), pyfeat.PyFeat()):
        assert f"face:{FACE_RULE};" in detector.signature
