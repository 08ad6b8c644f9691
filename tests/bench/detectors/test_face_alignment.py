"""The way through face-alignment, with random weights of the right shapes."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.detectors import face_alignment_2d as detector

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


def test_landmarks_of_the_largest_box_scaled_to_256(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    aligner = detector.FaceAlignment2D(weights)
    frames = np.random.default_rng(0).integers(0, 256, (1, 128, 128, 3), dtype=np.uint8)
    boxes = [np.array([0.0, 0.0, 40.0, 40.0, 0.95]), np.array([30.0, 30.0, 100.0, 100.0, 0.9])]
    finder = aligner._aligner.face_detector
    monkeypatch.setattr(finder, "detect_from_image", lambda image: boxes)
    direct = aligner._aligner.get_landmarks_from_image(frames[0])
    assert len(direct) == 2
    np.testing.assert_allclose(aligner.detect(frames)[0].values, direct[1] * 2, rtol=1e-6)
    monkeypatch.setattr(finder, "detect_from_image", lambda image: [])
    assert aligner.detect(frames)[0].reason == "no face found"


def test_the_finder_runs_on_its_own_weights(weights: Path) -> None:
    aligner = detector.FaceAlignment2D(weights)
    found = aligner.detect(np.zeros((1, 64, 64, 3), dtype=np.uint8))[0]
    assert (found.values is None) != (found.reason is None)


def test_signature_follows_the_weights(weights: Path) -> None:
    before = detector.FaceAlignment2D(weights).signature
    torch.save({}, weights / detector.FINDER)
    assert detector.FaceAlignment2D(weights).signature != before
