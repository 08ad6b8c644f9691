"""ArcFace against a network of torch's own layers in the published layout, with random weights."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from support.refused import refused
from torch import Tensor, nn

from bench import detectors, metrics
from bench.detectors import arcface
from bench.detectors.base import NO_FACE, DerivedDetector
from bench.detectors.dlib68 import Dlib68
from bench.runtime.errors import UserError
from protocols import catalogue
from protocols.resolve import resolve


class Block(nn.Module):
    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inside), nn.Conv2d(inside, outside, 3, 1, 1, bias=False)
        self.bn2, self.prelu = nn.BatchNorm2d(outside), nn.PReLU(outside)
        self.conv2, self.bn3 = nn.Conv2d(outside, outside, 3, stride, 1, bias=False), nn.BatchNorm2d(outside)
        shortcut = [nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside)]
        self.downsample = nn.Sequential(*shortcut) if stride == 2 else None

    def forward(self, x: Tensor) -> Tensor:
        inner = self.bn3(self.conv2(self.prelu(self.bn2(self.conv1(self.bn1(x))))))
        return inner + (self.downsample(x) if self.downsample else x)


class Network(nn.Module):
    """18 layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1, self.prelu = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64)
        sizes = (64, 64, 128, 256, 512)
        for k, (inside, outside) in enumerate(zip(sizes, sizes[1:]), start=1):
            setattr(self, f"layer{k}", nn.Sequential(Block(inside, outside, 2), Block(outside, outside, 1)))
        self.bn2, self.fc, self.features = nn.BatchNorm2d(512), nn.Linear(512 * 7 * 7, 512), nn.BatchNorm1d(512)

    def forward(self, x: Tensor) -> Tensor:
        x = self.prelu(self.bn1(self.conv1(x)))
        for k in range(1, 5):
            x = getattr(self, f"layer{k}")(x)
        return self.features(self.fc(self.bn2(x).flatten(1)))


@pytest.fixture(scope="module")
def network() -> Network:
    torch.manual_seed(0)
    made = Network().eval()
    with torch.no_grad():
        for name, value in made.state_dict().items():  # nothing may be at its neutral value
            if name.endswith(("running_var", "prelu.weight")) or ("bn" in name and name.endswith("weight")):
                value.uniform_(0.5, 1.5)
            elif value.is_floating_point() and name.endswith(("running_mean", "bias")):
                value.normal_(0, 0.1)
    return made


@pytest.fixture(scope="module")
def weights(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    (folder / "ms1mv3_arcface_r18_fp16").mkdir()
    torch.save(network.state_dict(), folder / "ms1mv3_arcface_r18_fp16" / arcface.FILE)
    return folder


@pytest.fixture(scope="module")
def frames(sample_set: Path, cache: Path) -> dict[str, np.ndarray]:
    sample = resolve(catalogue.get("vox1-sameid"), {}, cache, sample=True)
    loaded = sample.load(sample.pair_list.pairs[0])
    return {"source": loaded.source, "target": loaded.target}


def test_it_is_the_network_that_the_layout_says(network: Network) -> None:
    images = torch.randn(2, 3, 112, 112, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected, found = network(images), arcface.embed(network.state_dict(), images)
    assert found.shape == (2, 512)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_blocks_stand_in_the_order_of_their_numbers() -> None:
    keys = [f"layer3.{k}.bn1.weight" for k in (10, 2, 0)] + ["layer1.1.bn1.weight", "bn1.weight"]
    assert arcface.blocks(dict.fromkeys(keys)) == ["layer1.1", "layer3.0", "layer3.2", "layer3.10"]


def landmarks() -> np.ndarray:
    """68 points whose five are the template's."""
    points = np.zeros((68, 2))
    eyes, nose, mouth = arcface.TEMPLATE[:2], arcface.TEMPLATE[2], arcface.TEMPLATE[3:]
    points[36:42], points[42:48], points[30], points[48], points[54] = eyes[0], eyes[1], nose, mouth[0], mouth[1]
    return points


def test_an_aligned_face_stays_as_it_is_and_a_turned_one_is_turned_back() -> None:
    face = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (112, 112, 3), dtype=np.uint8), (0, 0), 4)
    face = cv2.normalize(face, None, 0, 255, cv2.NORM_MINMAX)
    np.testing.assert_array_equal(arcface.align(face, landmarks()), face)
    turn = cv2.getRotationMatrix2D((56, 56), 25, 1.7) + np.array([[0, 0, 70], [0, 0, 60]])
    frame = cv2.warpAffine(face, turn, (256, 256))
    moved = landmarks() @ turn[:, :2].T + turn[:, 2]
    back = arcface.align(frame, moved)
    assert np.abs(back[10:-10, 10:-10].astype(int) - face[10:-10, 10:-10]).mean() < 4
    assert np.abs(np.roll(face, 3, 1)[10:-10, 10:-10].astype(int) - face[10:-10, 10:-10]).mean() > 12


def test_a_face_has_a_code_of_length_one_and_no_face_a_reason(weights: Path, frames: dict[str, np.ndarray]) -> None:
    detector = arcface.ArcFace(Dlib68(), weights)
    assert isinstance(detector, DerivedDetector)
    one, none = detector.detect(np.stack([frames["target"], np.zeros_like(frames["target"])]))
    assert one.values.shape == (512,) and np.linalg.norm(one.values) == pytest.approx(1)
    assert none.values is None and none.reason == NO_FACE
    assert "align:5-of-68" in detector.signature and "dlib68" in detector.signature


def test_the_face_is_given_in_rgb_from_minus_one_to_one(
    weights: Path, frames: dict[str, np.ndarray], network: Network
) -> None:
    detector = arcface.ArcFace(Dlib68(), weights)
    points = Dlib68().detect(frames["target"][None])[0].values
    face = arcface.align(frames["target"], points)
    with torch.inference_mode():
        code = network(torch.from_numpy(face).permute(2, 0, 1)[None].float() / 255 * 2 - 1)[0]
    expected = (code / code.norm()).numpy()
    np.testing.assert_allclose(detector.detect(frames["target"][None])[0].values, expected, atol=1e-4)


def test_csim_brings_it_where_its_weights_are_and_aed_only_by_name(weights: Path) -> None:
    def names(*asked: str, folder: Path | None = weights) -> list[str]:
        choice = detectors.choose("auto", folder, kinds=metrics.kinds(asked))
        return [definition.name for definition in metrics.resolve(asked, choice)]

    assert names("csim") == ["csim-dlib", "csim-arcface"]
    assert names("csim", folder=None) == ["csim-dlib"]
    assert names("aed") == ["aed-dlib"]
    assert names("aed-arcface", "aed-euclid-arcface") == ["aed-arcface", "aed-euclid-arcface"]
    assert "arcface" not in detectors.choose("auto", weights, kinds=metrics.kinds(["aed"]))
    assert "arcface" not in detectors.choose("embedded", weights)
    with refused(UserError, "missing-detector"):
        names("csim-arcface", folder=None)


def test_what_it_measures(weights: Path, frames: dict[str, np.ndarray]) -> None:
    choice = detectors.choose("auto", weights, kinds={"arcface"})
    found = choice["arcface"].detect(np.stack([frames["source"], frames["target"]]))
    one, other = (torch.from_numpy(detection.values)[None] for detection in found)
    values = {name: float(metrics.get(name).compute(one, other)) for name in ("aed-arcface", "csim-arcface")}
    assert values["csim-arcface"] == pytest.approx(1 - values["aed-arcface"] / 2)
    assert 0 < values["aed-arcface"] < 4


def test_wrong_files_are_told(tmp_path: Path) -> None:
    with refused(UserError, "missing-weights", arcface.FILE):
        arcface.ArcFace(Dlib68(), tmp_path)
    for content in ({"a": torch.zeros(1)}, {"features.running_mean": torch.zeros(512)}):
        torch.save(content, tmp_path / arcface.FILE)
        with refused(UserError, "other-network"):
            arcface.read(tmp_path / arcface.FILE)
