"""The way through face-alignment, with random weights of the right shapes."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.detectors import face_alignment_2d as detector
from bench.detectors.base import NO_FACE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("face_alignment") is None, reason="face-alignment is not installed"),
]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from face_alignment.detection.sfd.net_s3fd import s3fd
    from face_alignment.models import FAN

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("weights")
    torch.save(FAN(4).state_dict(), folder / detector.NETWORK)
    torch.save(s3fd().state_dict(), folder / detector.FINDER)
    return folder


@pytest.fixture
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_landmarks_are_those_of_the_package(weights: Path, one_thread: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the largest face of every frame, scaled to a width of 256; a frame without one is alone in that."""
    aligner = detector.FaceAlignment2D(weights)
    frames = np.random.default_rng(0).integers(0, 256, (4, 128, 128, 3), dtype=np.uint8)
    small, large, odd = [0.0, 0.0, 40.0, 40.0, 0.95], [30.0, 30.0, 100.0, 100.0, 0.9], [60.1, -20.3, 140.7, 70.2, 0.8]
    boxes = [[np.array(box) for box in found] for found in ([small, large], [], [odd], [large])]
    monkeypatch.setattr(aligner, "boxes", lambda frames: boxes)
    found = aligner.detect(frames)
    assert found[1].reason == NO_FACE
    for k, box in ((0, large), (2, odd), (3, large)):
        [points] = aligner._aligner.get_landmarks_from_image(frames[k], detected_faces=[np.array(box)])
        np.testing.assert_array_equal(found[k].values, points * 2.0)


def test_faces_are_those_of_the_package(weights: Path, one_thread: None) -> None:
    """A random network is certain of nothing: one scale is made to find some faces, the others none."""
    aligner = detector.FaceAlignment2D(weights)
    finder = aligner._aligner.face_detector
    frames = np.random.default_rng(1).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    frames[2] = 0
    network = finder.face_detector
    heads = {name: part for name, part in network.named_modules() if name.endswith("_conf")}
    with torch.inference_mode():
        images = torch.from_numpy(frames).permute(0, 3, 1, 2).flip(1) - torch.tensor(detector.MEAN)[:, None, None]
        scores = network(images)[2]
    for name, head in heads.items():
        head.bias.data[-1] -= (scores[:, 1] - scores[:, 0]).quantile(0.95) if name.startswith("conv4_3") else 50
    expected = [finder.detect_from_image(frame.copy()) for frame in frames]
    found = aligner.boxes(frames)
    assert len(heads) == 6 and sum(map(len, expected)) > 0 and len(found) == 4
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(np.array(one), np.array(other))


def test_signature_follows_the_weights(weights: Path) -> None:
    before = detector.FaceAlignment2D(weights).signature
    torch.save({}, weights / detector.FINDER)
    assert detector.FaceAlignment2D(weights).signature != before
