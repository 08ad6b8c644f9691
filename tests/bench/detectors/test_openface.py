"""OpenFace nn4.small2 against numbers of the public port, computed with deterministic weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from support.refused import refused

from baselines.parity import Case
from baselines.synthetic_weights import fill_spec, image_pair
from bench.detectors import openface
from bench.parity import compare as golden_folder
from bench.parity import verify
from bench.runtime.errors import UserError

FOLDER = Path(__file__).parent / "golden" / "openface"


@pytest.fixture(scope="module")
def case() -> Case:
    return golden_folder.read(FOLDER)


@pytest.fixture(scope="module")
def golden(case: Case) -> dict[str, np.ndarray]:
    return {name.removesuffix(".value"): array for name, array in case.arrays.items()}


@pytest.fixture(scope="module")
def state(case: Case) -> dict[str, torch.Tensor]:
    return fill_spec(case.spec)["openface"]


@pytest.fixture(scope="module")
def frames() -> dict[str, np.ndarray]:
    source, driving = (image[0].permute(1, 2, 0).numpy() for image in image_pair(0))
    return {"source": source, "driving": driving, "flipped": source[:, ::-1]}


def test_every_layer_mode_and_distance_agrees(case: Case) -> None:
    comparer = verify.verify(FOLDER, case)
    assert [result for result in comparer.results if not result.ok] == [] and comparer.left() == []
    assert len(comparer.results) == 75
    assert max(result.ratio for result in comparer.results) < 0.5  # far from what would still be equal


def test_the_older_conventions_are_told_apart(case: Case) -> None:
    swapped = {name: array for name, array in case.arrays.items() if name.startswith(("default.", "no_antialias."))}
    other = {"default": "legacy_lrn", "no_antialias": "legacy_lrn.no_antialias"}
    for mode, legacy in other.items():
        for name in ("source.embedding", "aed_pairs"):
            swapped[f"{mode}.{name}.value"] = case.arrays[f"{legacy}.{name}.value"]
    results = verify.verify(FOLDER, Case(case.spec, swapped)).results
    wrong = [result.name for result in results if not result.ok]
    assert set(wrong) == {f"{mode}.{name}.value" for mode in other for name in ("source.embedding", "aed_pairs")}


def test_layers_are_recorded_in_order_and_change_nothing(state: dict, frames: dict) -> None:
    images = torch.cat([openface.preprocess(frame)[None] for frame in (frames["source"], frames["driving"])])
    names: list[str] = []
    watched = openface.embed(state, images, record=lambda name, x: names.append(name))
    assert all(torch.equal(one, other) for one, other in zip(watched, openface.embed(state, images)))
    numbers = [int(name.split(".")[0].removeprefix("layer")) for name in names]
    assert numbers == sorted(numbers) and set(numbers) == {*range(1, 20), 21, 22, 25}


def test_a_spec_of_another_network_is_refused(case: Case) -> None:
    shapes = {"openface": {**case.spec["networks"]["openface"], "layer14.seq_list.0.4_conv.weight": [64, 96, 3, 3]}}
    for networks in (shapes, {"face": case.spec["networks"]["openface"]}, {"openface": {"layer1.bias": [64]}}):
        with refused(UserError, "other-network"):
            verify.verify(FOLDER, Case({**case.spec, "networks": networks}, case.arrays))


@pytest.mark.parametrize("shape", [(1, 12, 2, 2), (2, 3, 4, 5)])
def test_legacy_norm_is_the_one_that_torch_still_carries(shape: tuple[int, ...]) -> None:
    x = 300 * torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found = openface.local_response_norm(x, "legacy")
    np.testing.assert_allclose(found, torch.nn.CrossMapLRN2d(5)(x), rtol=1e-5)
    exact = openface.local_response_norm(x, "window")
    np.testing.assert_allclose(exact, torch.nn.functional.local_response_norm(x, 5), rtol=1e-5)


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
    with refused(UserError, "missing-weights", openface.FILE):
        openface.OpenFace(tmp_path)
    for content, message in (
        ({"a": torch.zeros(1)}, "nn4.small2"),
        ([1], "a list"),
        (object, "of class builtins.object"),
    ):
        torch.save(content, tmp_path / openface.FILE)
        with pytest.raises(UserError, match=message):
            openface.OpenFace(tmp_path).detect(np.zeros((1, 96, 96, 3), np.uint8))
