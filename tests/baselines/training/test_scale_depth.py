"""DaGAN with scale transformation and embedding in training: who learns from what, and what is exported."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from baselines.card import card
from baselines.ostnet.predictor import ScaleDaganPredictor
from baselines.predictor import PairBatch
from baselines.training import run as run_module
from baselines.training.files import networks_of
from baselines.training.loop import train
from baselines.training.scale_depth import ScaleDepthTrainee, constant
from baselines.training.settings import TrainSettings

MODEL = "dagan+scale"


@pytest.fixture(autouse=True)
def fewer_norm_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "_NORM_BATCHES", 1)


def settings(clips: Path, out: Path, **changes) -> TrainSettings:
    fields = dict(model=MODEL, data=clips, out=out, steps=2, seed=3, stages=((64, 1.0, 2),), log_every=1, bf16=False)
    return TrainSettings(**fields | changes)


def new(tmp_path: Path) -> ScaleDepthTrainee:
    torch.manual_seed(3)
    trainee = ScaleDepthTrainee(settings(tmp_path, tmp_path, bf16=False))
    trainee.set_side(64)
    return trainee


def frames() -> tuple[Tensor, Tensor]:
    coarse = torch.rand(4, 3, 5, 5, generator=torch.Generator().manual_seed(1))
    return tuple(torch.nn.functional.interpolate(coarse, size=64, mode="bicubic").clamp(0, 1).chunk(2))


def test_the_depth_network_learns_by_its_own_losses_alone(tmp_path: Path) -> None:
    trainee = new(tmp_path)
    parts = trainee.losses(*frames(), torch.Generator().manual_seed(2), 0.0)
    assert {"rectified_l1", "keypoint_distance", "equivariance_jacobian"} < parts.keys()
    depth = {name: parts.pop(name) for name in ("depth_photometric", "depth_smoothness")}
    sum(parts.values()).backward()
    gradients = {name: [p.grad for p in net.parameters()] for name, net in trainee.networks.items()}
    assert all(g is None for name in ("depth_encoder", "depth_decoder", "camera_motion") for g in gradients[name])
    assert all(
        max(g.abs().max() for g in gradients[name] if g is not None) > 0
        for name in ("kp_detector", "generator", "scale_transformation")
    )
    trainee.networks.zero_grad(set_to_none=True)
    sum(depth.values()).backward()
    gradients = {name: any(p.grad is not None for p in net.parameters()) for name, net in trainee.networks.items()}
    assert {name for name, some in gradients.items() if some} == {"depth_encoder", "depth_decoder", "camera_motion"}


def test_a_constant_network_passes_gradients_on() -> None:
    layer, x = torch.nn.Linear(2, 1), torch.ones(1, 2, requires_grad=True)
    with constant(layer):
        y = layer(x)
    y.sum().backward()
    assert x.grad is not None and layer.weight.grad is None and layer.weight.requires_grad


def test_the_keypoints_are_those_of_the_rectified_frame_with_its_own_depth(tmp_path: Path) -> None:
    trainee = new(tmp_path)
    network, (source, driving) = trainee.network.eval(), frames()
    torch.nn.init.normal_(network.scale_transformation.fc.weight, std=0.05)
    with torch.no_grad():
        rectified = network.rectify(network.detect(source), driving)
        own = network.detect(rectified.image, network.depth(rectified.image))
        others = network.detect(rectified.image, network.depth(driving))
    assert (rectified.image - driving).abs().max() > 0.05
    assert torch.equal(rectified.keypoints.value, own.value) and not torch.equal(own.value, others.value)


@pytest.mark.slow
def test_the_loss_falls_on_a_fixed_batch(tmp_path: Path) -> None:
    trainee = new(tmp_path)
    optimizer = torch.optim.Adam(trainee.networks.parameters(), 1e-3, (0.5, 0.999))
    found = []
    for _ in range(7):
        optimizer.zero_grad()
        parts = trainee.losses(*frames(), torch.Generator().manual_seed(2), 0.0)
        total = sum(parts.values())
        total.backward()
        optimizer.step()
        found.append({name: value.item() for name, value in parts.items()} | {"total": total.item()})
    for name, share in {"total": 0.9, "rectified_perceptual": 0.9, "depth_photometric": 0.95}.items():
        assert found[-1][name] < share * found[0][name]


def test_what_is_exported_animates_and_resuming_is_exact(clips: Path, tmp_path: Path, interrupted_after_one) -> None:
    whole = train(settings(clips, tmp_path / "whole"))
    broken = settings(clips, tmp_path / "broken", save_every=1)
    first, second = load_file(whole), load_file(interrupted_after_one(broken))
    assert first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)

    predictor = ScaleDaganPredictor.load(
        MODEL, weights=None, device=torch.device("cpu"), options={"weights": str(whole)}
    )
    source, driving = (torch.nn.functional.interpolate(x[:1], size=256) for x in frames())
    made = predictor.predict(PairBatch(["a"], source, driving, None, None, [0]), "absolute")
    assert made.shape == source.shape and made.isfinite().all() and made.std() > 0
    trained = predictor.network.scale_transformation.fc.weight
    assert torch.equal(trained, first["scale_transformation.fc.weight"]) and trained.abs().max() > 0


@pytest.mark.parametrize("start", ["fomm", "dagan"])
def test_it_starts_from_a_sample_checkpoint(start: str, tmp_path: Path) -> None:
    trainee, state = new(tmp_path), networks_of(card(start).sample)
    taken = trainee.start_from(state)
    assert {"kp_detector", "generator.dense_motion_network", "generator.bottleneck"} <= set(taken)
    assert ({"depth_encoder", "depth_decoder", "generator.AttnModule"} <= set(taken)) == (start == "dagan")
    own = trainee.networks.state_dict()
    assert torch.equal(own["generator.final.weight"], state["generator.final.weight"])
    kernel, given = (x["kp_detector.predictor.encoder.down_blocks.0.conv.weight"] for x in (own, state))
    assert torch.equal(kernel[:, :3], given[:, :3]) and (start == "dagan" or not kernel[:, 3].any())


def test_it_has_dagans_stages(tmp_path: Path) -> None:
    assert settings(tmp_path, tmp_path, stages=()).plan == card("dagan").stages
