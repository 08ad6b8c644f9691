"""X2Face in training: it starts still, and its photometric loss comes first."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from baselines.training.embedding import PHOTOMETRIC, EmbeddingTrainee
from baselines.training.settings import TrainSettings


def drawn(tmp_path: Path, **settings: object) -> EmbeddingTrainee:
    torch.manual_seed(3)
    return EmbeddingTrainee(TrainSettings(model="x2face", data=tmp_path, out=tmp_path, bf16=False, **settings))


def frames() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    smooth = torch.nn.functional.interpolate(torch.rand(2, 3, 5, 5, generator=generator), size=64, mode="bicubic")
    return tuple(smooth.clamp(0, 1).split(1))


def test_before_training_the_source_stands_still(tmp_path: Path) -> None:
    trainee = drawn(tmp_path)
    source, driving = frames()
    trainee.networks.eval()
    with torch.no_grad():
        moved = trainee.reconstruct(source, driving)
    assert 0 < float((moved - source).abs().mean()) < 0.02 < float((driving - source).abs().mean())


@pytest.mark.parametrize(("recipe", "late"), [("short", {"l1", "perceptual"}), ("published", {"l1"})])
def test_the_photometric_loss_comes_first(recipe: str, late: set[str], tmp_path: Path) -> None:
    trainee, rng = drawn(tmp_path, recipe=recipe), torch.Generator().manual_seed(1)
    early = trainee.losses(*frames(), rng, PHOTOMETRIC - 0.01)
    assert set(early) == {"l1"} and early["l1"].item() > 0
    assert set(trainee.losses(*frames(), rng, PHOTOMETRIC)) == late
