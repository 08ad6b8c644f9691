"""The published perceptual term, and the papers' VGG-19."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from baselines.predictor import ModelError
from baselines.training.reconstruction import PERCEPTUAL_WEIGHT, Reconstruction
from baselines.training.vgg import Vgg19Features


def images(side: int) -> torch.Tensor:
    return torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(side))


@pytest.mark.parametrize(("side", "scales"), [(32, 2), (128, 4)])
def test_the_published_term_is_the_sum_over_the_pyramid(side: int, scales: int, monkeypatch) -> None:
    term, seen = Reconstruction(bf16=False, published=True), []

    def perceptual(depth: int, predicted: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        seen.append((depth, predicted.shape[2]))
        return (predicted - target).abs().mean()

    monkeypatch.setattr(term, "perceptual", perceptual)
    value = term(images(side), torch.zeros(1, 3, side, side), torch.Generator())
    assert seen == [(5, side >> level) for level in range(scales)]
    assert set(value) == {"perceptual"} and value["perceptual"] > PERCEPTUAL_WEIGHT * scales * 0.4


def test_equal_images_cost_nothing_and_others_do() -> None:
    term = Reconstruction(bf16=False, published=True)
    assert term(images(64), images(64), torch.Generator())["perceptual"] == 0
    assert term(images(64), images(64).flip(3), torch.Generator())["perceptual"] > 1


def test_vgg19_gives_the_features_of_torchvisions_layout(tmp_path: Path) -> None:
    layers, channels = nn.Sequential(), 3
    for width in [64] * 2 + [0] + [128] * 2 + [0] + [256] * 4 + [0] + [512] * 4 + [0] + [512] * 4 + [0]:
        if width:
            layers.extend([nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()])
            channels = width
        else:
            layers.append(nn.MaxPool2d(2))
    torch.save({f"features.{key}": value for key, value in layers.state_dict().items()}, tmp_path / "vgg19.pth")
    normalized = (images(32) - torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)) / torch.tensor(
        [0.229, 0.224, 0.225]
    ).view(1, 3, 1, 1)
    expected = [layers[:end](normalized) for end in (2, 7, 12, 21, 30)]
    found = Vgg19Features(tmp_path / "vgg19.pth")(images(32))
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(found, expected, strict=True))


def test_another_file_is_no_vgg(tmp_path: Path) -> None:
    torch.save({"features.0.weight": torch.zeros(4)}, tmp_path / "x.pth")
    with pytest.raises(ModelError, match=r"x\.pth .*VGG-19"):
        Vgg19Features(tmp_path / "x.pth")
