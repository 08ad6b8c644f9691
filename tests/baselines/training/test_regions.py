"""MRAA's background predictor in training: the generator gets its motion, it learns, and the checkpoint has it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from support.small_networks import CONFIGS  # noqa: E402
from torch import Tensor

from baselines.card import card
from baselines.predictor import ModelError
from baselines.registry import load
from baselines.training import run as run_module
from baselines.training import trainee as base
from baselines.training.loop import train
from baselines.training.regions import RegionTrainee
from baselines.training.settings import TrainSettings
from baselines.training.trainees import trainee

BACKGROUND = {"block_expansion": 8, "max_features": 64, "num_blocks": 4}  # enough of it to learn a pan
SMALL = CONFIGS["mraa"] | {"bg_predictor_params": BACKGROUND, "avd_network_params": None}


@pytest.fixture
def with_background(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small networks, the background predictor among them."""
    monkeypatch.setattr(RegionTrainee, "config", SMALL)
    monkeypatch.setattr(run_module, "_NORM_BATCHES", 1)


def settings(clips: Path, out: Path, **changes) -> TrainSettings:
    fields = dict(
        model="mraa", data=clips, out=out, steps=2, seed=3, stages=((64, 1.0, 2),), recipe="published", bf16=False
    )
    return TrainSettings(**fields | changes)


def frames(count: int, seed: int = 1) -> Tensor:
    coarse = torch.rand(count, 3, 6, 6, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, size=64, mode="bicubic").clamp(0, 1)


@pytest.mark.parametrize("bf16", [False, True])
def test_the_generator_gets_the_predicted_motion(with_background, tmp_path: Path, bf16: bool) -> None:
    torch.manual_seed(3)
    new = trainee(settings(tmp_path, tmp_path, bf16=bf16))
    new.set_side(64)
    new.networks.eval()  # batch norm would see other batches in a loss than in use
    source, driving = frames(4).chunk(2)
    (background,) = new.beside(source, driving)
    torch.testing.assert_close(background, torch.eye(3).expand(2, 3, 3))  # where training begins
    with torch.no_grad():
        still = new.reconstruct(source, driving)
        new.network.bg_predictor.fc.bias[2] = 0.5
        moved = new.reconstruct(source, driving)
    assert (still - moved).abs().max() > 0.01
    seen = {}
    new.compare = lambda generated, *_: seen.setdefault("terms", {"all": generated.square().mean()})
    parts = new.losses(source, driving, torch.Generator().manual_seed(1), 0.0)
    sum(parts.values()).backward()
    torch.testing.assert_close(seen["terms"]["all"], moved.square().mean(), rtol=1e-3, atol=1e-5)
    assert new.network.bg_predictor.fc.weight.grad.abs().sum() > 0


def test_it_learns_a_pan_of_the_camera(with_background, tmp_path: Path) -> None:
    """All of a frame is moved by a tenth of its side: source coordinates of a driving pixel are shifted by 0.2."""
    torch.manual_seed(3)
    new = trainee(settings(tmp_path, tmp_path, bf16=False))
    new.set_side(64)
    background, source = new.network.bg_predictor, frames(4)
    shift = torch.tensor([[1.0, 0, 0.2], [0, 1, 0]]).expand(4, 2, 3)
    grid = torch.nn.functional.affine_grid(shift, list(source.shape), align_corners=False)
    driving = torch.nn.functional.grid_sample(source, grid, padding_mode="border", align_corners=False)
    for parameter in [*new.network.region_predictor.parameters(), *new.network.generator.parameters()]:
        parameter.requires_grad_(False)
    motion = new.network.generator.pixelwise_flow_predictor
    torch.nn.init.zeros_(motion.mask.weight)  # all of the flow is the background's
    motion.mask.bias.copy_(torch.tensor([20.0] + [0.0] * (len(motion.mask.bias) - 1)))
    torch.nn.init.zeros_(motion.occlusion.weight)
    torch.nn.init.constant_(motion.occlusion.bias, 20.0)  # nothing is hidden: the result is the warped source
    new.compare = lambda generated, target, rng: {"l1": (generated - target).abs().mean()}
    optimizer = torch.optim.Adam(background.parameters(), 5e-3)
    for _ in range(40):
        optimizer.zero_grad()
        new.losses(source, driving, torch.Generator().manual_seed(1), 0.0)["l1"].backward()
        optimizer.step()
    found = new.beside(source, driving)[0].detach().mean(0)
    torch.testing.assert_close(found, torch.tensor([[1.0, 0, 0.2], [0, 1, 0], [0, 0, 1]]), rtol=0, atol=0.05)


def test_the_checkpoint_has_it_and_resuming_is_exact(
    with_background, clips: Path, tmp_path: Path, interrupted_after_one
) -> None:
    whole = train(settings(clips, tmp_path / "whole", norm_freeze=0.5))
    broken = settings(clips, tmp_path / "broken", norm_freeze=0.5, save_every=1)
    first, second = load_file(whole), load_file(interrupted_after_one(broken))
    assert first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)
    predictor = load(f"mraa?weights={whole}&plain=true", weights=None, device=torch.device("cpu"))
    taken = predictor.network.state_dict()
    assert first["bg_predictor.fc.weight"].abs().sum() > 0  # it was zero
    assert all(torch.equal(first[key], value) for key, value in taken.items()) and taken.keys() == first.keys()


def test_a_state_from_before_there_was_one_is_refused(with_background, clips: Path, tmp_path: Path) -> None:
    chosen = settings(clips, tmp_path, steps=1)
    train(chosen)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    state["networks"] = {key: value for key, value in state["networks"].items() if not key.startswith("bg_")}
    torch.save(state, tmp_path / "state.pt")
    with pytest.raises(ModelError, match="another bg_predictor"):
        train(chosen)


def test_the_published_size_has_one_and_the_reduced_has_none(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(base, "Reconstruction", lambda *_: torch.nn.Identity())
    with torch.device("meta"):
        new = trainee(settings(tmp_path, tmp_path, size="published", stages=()))
        assert "bg_predictor" not in trainee(settings(tmp_path, tmp_path)).networks
    assert new.exported_config["bg_predictor_params"] == card("mraa").config["bg_predictor_params"]
    assert sum(x.numel() for x in new.networks["bg_predictor"].parameters()) == 6_282_438  # the official one's
    assert "bg_predictor" in new.shareable and new.exported_config["avd_network_params"] is None
