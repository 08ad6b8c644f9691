"""dlib's face network in torch against dlib itself, on real faces."""

from __future__ import annotations

from pathlib import Path

import dlib
import numpy as np
import pytest
import torch
from PIL import Image

from bench.detectors.dlib68 import Dlib68, model_file
from bench.detectors.dlib_identity import FILE, DlibIdentity, face_of
from bench.detectors.dlib_resnet import FaceNetwork
from bench.runtime.errors import UserError

CLIPS = (("j_onset", 0), ("w_tilt", 0), ("c_tilt", 4), ("w_smile", 117))


@pytest.fixture(scope="module")
def frames(sample_set: Path) -> np.ndarray:
    paths = [sorted((sample_set / clip).glob("*.png"))[number] for clip, number in CLIPS]
    return np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths])


@pytest.fixture(scope="module")
def landmarks(frames: np.ndarray) -> np.ndarray:
    return np.stack([one.values for one in Dlib68().detect(frames)])


def test_embeddings_are_dlibs(frames: np.ndarray, landmarks: np.ndarray) -> None:
    """From the frame to the embedding, alignment included."""
    reference = dlib.face_recognition_model_v1(str(model_file(FILE)))
    theirs = [reference.compute_face_descriptor(*both) for both in _faces(frames, landmarks)]
    ours = [one.values for one in DlibIdentity(Dlib68()).derive_all(landmarks, frames)]
    np.testing.assert_allclose(ours, np.array(theirs), rtol=0, atol=1e-6)
    people = np.array(ours)
    assert np.linalg.norm(people[0] - people[1]) > 0.5 and np.linalg.norm(people[1] - people[3]) < 0.5  # w twice


def test_no_frames_values_depend_on_the_others(frames: np.ndarray, landmarks: np.ndarray) -> None:
    detector = DlibIdentity(Dlib68())
    together = [one.values for one in detector.derive_all(landmarks, frames)]
    alone = [detector.derive(points, frame).values for points, frame in zip(landmarks, frames)]
    np.testing.assert_array_equal(together, alone)


def test_values_do_not_depend_on_the_number_of_threads(frames: np.ndarray, landmarks: np.ndarray) -> None:
    threads, found = torch.get_num_threads(), []
    try:
        for number in (1, 3):
            torch.set_num_threads(number)
            found.append([one.values for one in DlibIdentity(Dlib68()).derive_all(landmarks, frames)])
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(*found)


def test_another_file_is_refused(tmp_path: Path) -> None:
    content = model_file(FILE).read_bytes()
    for name, bad in (("empty", b""), ("short", content[:9_000_000]), ("landmarks", content[20_000_000:])):
        (tmp_path / name).write_bytes(bad)
        with pytest.raises(UserError):
            FaceNetwork(tmp_path / name)


def _faces(frames: np.ndarray, landmarks: np.ndarray):
    return [(np.ascontiguousarray(frame), face_of(frame, points)) for frame, points in zip(frames, landmarks)]
