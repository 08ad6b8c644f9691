"""OpenFace nn4.small2 against numbers of the public port, computed with deterministic weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from baselines.golden_weights import fill_spec, image_pair
from bench.detectors import openface
from bench.errors import UserError
from bench.metrics.aed import aed

HERE = Path(__file__).parent
MODES = {
    "default": ("window", True),
    "legacy_lrn": ("legacy", True),
    "no_antialias": ("window", False),
    "legacy_lrn.no_antialias": ("legacy", False),
}


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(HERE / "golden_openface.npz") as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    spec = json.loads((HERE / "golden_openface.json").read_text())
    return fill_spec({"networks": {"openface": spec["shapes"]}, **spec})["openface"]


@pytest.fixture(scope="module")
def frames() -> dict[str, np.ndarray]:
    source, driving = (image[0].permute(1, 2, 0).numpy() for image in image_pair(0))
    return {"source": source, "driving": driving, "flipped": source[:, ::-1]}


def embedding(state: dict[str, torch.Tensor], frame: np.ndarray, lrn: openface.Lrn, antialias: bool) -> torch.Tensor:
    return openface.embed(state, openface.preprocess(frame, antialias)[None], lrn)[0]


@pytest.mark.parametrize("mode", MODES)
def test_embeddings_and_distances(mode: str, state: dict, frames: dict, golden: dict) -> None:
    found = {name: embedding(state, frame, *MODES[mode]) for name, frame in frames.items()}
    for name, values in found.items():
        np.testing.assert_allclose(values, golden[f"{mode}.{name}.embedding"], atol=2e-6)
    pairs = (("source", "driving"), ("source", "flipped"), ("driving", "flipped"))
    distances = torch.cat([aed(found[one].double(), found[other].double()) for one, other in pairs])
    np.testing.assert_allclose(distances, golden[f"{mode}.aed_pairs"], atol=2e-7)


def test_features_before_the_last_layer(state: dict, frames: dict, golden: dict) -> None:
    features = openface.embed(state, openface.preprocess(frames["source"])[None])[1]
    np.testing.assert_allclose(features, golden["default.source.x736"], atol=2e-5)


def test_preprocessing(frames: dict, golden: dict) -> None:
    for name, antialias in (("antialias", True), ("no_antialias", False)):
        image = openface.preprocess(frames["source"], antialias).numpy().ravel()
        index, value = (golden[f"input.source.{name}.{part}"] for part in ("index", "value"))
        np.testing.assert_allclose(image[index], value, atol=1e-6)


def test_images_of_128_are_brought_to_96_inside(state: dict, frames: dict, golden: dict) -> None:
    found = openface.embed(state, openface.preprocess(frames["source"], side=128)[None])[0]
    np.testing.assert_allclose(found, golden["size128.source.embedding"], atol=2e-6)


@pytest.mark.parametrize("kind", ["window", "legacy"])
def test_both_kinds_of_local_response_norm(kind: openface.Lrn, golden: dict) -> None:
    found = openface.local_response_norm(torch.from_numpy(golden["lrn.input"]), kind)
    np.testing.assert_allclose(found, golden[f"lrn.{kind}"], rtol=1e-5)
    if kind == "legacy":  # torch still carries the defect in one of its layers
        np.testing.assert_allclose(found, torch.nn.CrossMapLRN2d(5)(torch.from_numpy(golden["lrn.input"])), rtol=1e-5)


def test_the_detector_reads_a_weight_file(state: dict, frames: dict, golden: dict, tmp_path: Path) -> None:
    old = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    torch.save(old, tmp_path / openface.FILE)
    detector = openface.OpenFace(tmp_path)
    batch = np.stack([np.round(frame * 255).astype(np.uint8) for frame in frames.values()])
    for name, detection in zip(frames, detector.detect(batch)):
        assert detection.values.dtype == np.float64
        np.testing.assert_allclose(detection.values, golden[f"uint8.{name}.embedding"][0], atol=2e-6)
    assert detector.signature != openface.OpenFace(tmp_path, lrn="legacy").signature
    assert detector.signature != openface.OpenFace(tmp_path, antialias=False).signature


def test_missing_and_wrong_files_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match=r"openface\.pth is not on this machine"):
        openface.OpenFace(tmp_path)
    for content, message in (({"a": torch.zeros(1)}, "nn4.small2"), ([1], "but a list"), (object, "cannot be read")):
        torch.save(content, tmp_path / openface.FILE)
        with pytest.raises(UserError, match=message):
            openface.OpenFace(tmp_path).detect(np.zeros((1, 96, 96, 3), np.uint8))
