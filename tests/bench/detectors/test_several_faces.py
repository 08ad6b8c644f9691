"""Which face counts where a frame has several: one rule for all detectors, whatever order their finders have."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from baselines.facemesh.boxes import FACE_RULE, largest_face
from bench.detectors import face_alignment_2d, pyfeat
from bench.detectors.base import NO_FACE
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
    monkeypatch.setattr(detector, "boxes", lambda frames: [[], list(BOXES)])

    def points(frames: np.ndarray, boxes: list[np.ndarray]) -> list[np.ndarray]:
        assert frames.tolist() == np.ones((1, 128, 128, 3)).tolist()
        return [np.tile(box[:2], (68, 1)) for box in boxes]

    monkeypatch.setattr(detector, "points", points)
    frames = np.arange(2, dtype=np.uint8)[:, None, None, None].repeat(128, 1).repeat(128, 2).repeat(3, 3)
    nobody, found = detector.detect(frames)
    assert nobody.reason == NO_FACE
    np.testing.assert_array_equal(found.values, np.tile(BOXES[3, :2] * 2, (68, 1)))


class PyFeatsDetector:
    """py-feat's two halves: frames whose first value is 0 have no face; those of 9 have one that cannot be read."""

    def detect_faces(self, images: torch.Tensor, face_detection_threshold: float) -> list[dict[str, torch.Tensor]]:
        boxes = torch.from_numpy(BOXES[:, :4])
        made = []
        for mark in images[:, 0, 0, 0].tolist():
            places = boxes if mark else torch.full((1, 4), torch.nan)
            content = {"faces": torch.full((len(places), 1), mark), "scores": torch.ones(len(places)), "poses": places}
            made.append(content | {"boxes": places, "new_boxes": places})
        return made

    def forward(self, faces: list[dict[str, torch.Tensor]], frames: dict) -> pd.DataFrame:
        marks, boxes = (torch.cat([face[name] for face in faces]) for name in ("faces", "new_boxes"))
        assert len(marks) == len(frames["Scale"]) == len(frames["Image"])
        if (marks == 9).any():
            raise ValueError("flat")
        rows = {name: marks[:, 0] / 10 for name in (*pyfeat.ANGLES, *pyfeat.UNITS)}
        return pd.DataFrame(rows | {"AU01": boxes[:, 1]})


@pytest.mark.parametrize("size", [1, 4])
def test_py_feat_takes_the_same_face_and_one_bad_frame_spoils_no_other(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pyfeat, "missing", list)
    detector = pyfeat.PyFeat()
    vars(detector)["_detector"], detector._backoff.size = PyFeatsDetector(), size
    marks = np.array([3, 0, 9, 1, 2], dtype=np.uint8)
    found = detector.detect(np.broadcast_to(marks[:, None, None, None], (5, 64, 64, 3)))
    reasons = [one.reason for one in found]
    assert reasons[:2] + reasons[3:] == [None, NO_FACE, None, None]
    assert reasons[2].startswith("py-feat ") and reasons[2].endswith(": flat")
    for mark, one in zip(marks, found):
        if one.values is not None:
            np.testing.assert_allclose(one.values, [*np.degrees([mark / 10] * 3), BOXES[3, 1], *[mark / 10] * 19])


def test_the_rule_is_in_every_signature(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for module in (face_alignment_2d, pyfeat):
        monkeypatch.setattr(module, "missing", lambda *_: [])
        monkeypatch.setattr(module.metadata, "version", lambda package: "0")
    monkeypatch.setattr(face_alignment_2d, "find_file", lambda name, weights: tmp_path / name)
    monkeypatch.setattr(face_alignment_2d, "short_hash", lambda file: "0")
    monkeypatch.setattr(pyfeat, "weight_files", list)
    for detector in (Dlib68(), face_alignment_2d.FaceAlignment2D(None), pyfeat.PyFeat()):
        assert f"face:{FACE_RULE};" in detector.signature
