"""The AVD network in training: what it learns from, that it learns, and that all else stays as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from support.refused import refused
from torch import Tensor

from baselines.card import card
from baselines.mraa.regions import Regions
from baselines.predictor import ModelError, PairBatch
from baselines.registry import load
from baselines.training import run as run_module
from baselines.training.data import TrainingFrames
from baselines.training.disentangling import STRETCH, DisentanglingTrainee, stretched
from baselines.training.loop import train
from baselines.training.run import Run
from baselines.training.settings import TrainSettings

MODELS = ("mraa", "tpsm")


@pytest.fixture(autouse=True)
def fewer_norm_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "_NORM_BATCHES", 1)


def settings(clips: Path, out: Path, model: str = "mraa", **changes) -> TrainSettings:
    fields = dict(
        model=model, part="avd", data=clips, out=out, steps=2, seed=3, stages=((256, 1.0, 2),), log_every=1, bf16=False
    )
    return TrainSettings(**fields | {"init_from": card(model).sample} | changes)


def frames(count: int) -> Tensor:
    coarse = torch.rand(count, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    return torch.nn.functional.interpolate(coarse, size=256, mode="bicubic").clamp(0, 1)


def test_stretched_geometry_by_hand() -> None:
    factors, points = torch.tensor([[0.8, 1.2]]), torch.tensor([[[0.5, -0.25]]])
    torch.testing.assert_close(stretched(points, factors), torch.tensor([[[0.4, -0.3]]]))
    axes = torch.tensor([[[[0.1, 0.02], [0.0, 0.3]]]])
    regions = stretched(Regions(points, axes @ axes.transpose(2, 3), axes), factors)
    torch.testing.assert_close(regions.shift, torch.tensor([[[0.4, -0.3]]]))
    torch.testing.assert_close(regions.affine, torch.tensor([[[[0.08, 0.016], [0.0, 0.36]]]]))
    torch.testing.assert_close(regions.covar, regions.affine @ regions.affine.transpose(2, 3))


@pytest.mark.parametrize("model", MODELS)
def test_a_stretched_pose_is_to_become_the_driving_geometry(model: str, tmp_path: Path, monkeypatch) -> None:
    trainee = DisentanglingTrainee(settings(tmp_path, tmp_path, model))
    source, driving = frames(4).chunk(2)
    with torch.no_grad():
        whole = trainee.network.detect(driving)
    seen: list = []
    monkeypatch.setattr(trainee, "disentangled", lambda source, pose: seen.append(pose) or pose)
    parts = trainee.losses(source, driving, torch.Generator().manual_seed(5), 0.0)
    factors = 1 - STRETCH + 2 * STRETCH * torch.rand(2, 2, generator=torch.Generator().manual_seed(5))
    points, given = (x.shift if isinstance(x, Regions) else x for x in (whole, seen[0]))
    torch.testing.assert_close(given, points * factors[:, None])
    gap = (points * (factors[:, None] - 1)).abs().mean()
    torch.testing.assert_close(parts["shift" if model == "mraa" else "points"], gap)
    assert parts.keys() == ({"shift", "affine"} if model == "mraa" else {"points"})


@pytest.mark.parametrize("model", MODELS)
def test_only_the_avd_network_learns_and_its_loss_falls(model: str, tmp_path: Path) -> None:
    torch.manual_seed(3)
    trainee = DisentanglingTrainee(settings(tmp_path, tmp_path, model))
    trainee.networks.train()
    before = {name: value.clone() for name, value in trainee.network.state_dict().items()}
    detect, found = trainee.network.detect, {}
    trainee.network.detect = lambda images: found.setdefault(id(images), detect(images))  # the same frames each time
    source, driving = frames(8).chunk(2)
    optimizer, totals = torch.optim.Adam(trainee.networks.parameters(), 1e-3, (0.5, 0.999)), []
    for step in range(30):
        optimizer.zero_grad()
        total = sum(trainee.losses(source, driving, torch.Generator().manual_seed(step), 0.0).values())
        total.backward()
        optimizer.step()
        totals.append(total.item())
    assert sum(totals[-3:]) < 0.5 * sum(totals[:3])
    after = trainee.network.state_dict()
    changed = {name.partition(".")[0] for name, value in before.items() if not torch.equal(value, after[name])}
    assert changed == {"avd_network"}


@pytest.mark.parametrize("model", MODELS)
def test_what_is_exported_animates_in_mode_avd_and_resuming_is_exact(
    model: str, clips: Path, tmp_path: Path, interrupted_after_one
) -> None:
    whole = train(settings(clips, tmp_path / "whole", model, norm_freeze=0.5))
    broken = settings(clips, tmp_path / "broken", model, norm_freeze=0.5, save_every=1)
    first, second = load_file(whole), load_file(interrupted_after_one(broken))
    assert first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)

    start = load_file(card(model).sample)
    kept = {key: value for key, value in first.items() if not key.startswith("avd_network.")}
    assert kept.keys() <= start.keys() and all(torch.equal(start[key], value) for key, value in kept.items())
    with safe_open(whole, "pt") as file:
        facts = file.metadata()["training"]
    assert '"part": "avd"' in facts and '"trained_on"' in facts

    predictor = load(f"{model}?weights={whole}", weights=None, device=torch.device("cpu"))
    source, driving = frames(2).chunk(2)
    pair = PairBatch(["a"], source, driving, None, None, [0])
    made = predictor.predict(pair, "avd")
    assert made.shape == source.shape and made.isfinite().all()
    untrained = load(model, weights=None, device=torch.device("cpu"))
    assert "avd" not in untrained.motion_modes
    torch.testing.assert_close(predictor.predict(pair, "absolute"), untrained.predict(pair, "absolute"))


def test_the_networks_of_an_avd_checkpoint_go_on(clips: Path, tmp_path: Path) -> None:
    first = train(settings(clips, tmp_path / "first", steps=1))
    run = Run(settings(clips, tmp_path / "second", init_from=first), TrainingFrames(clips))
    own, given = run.trainee.networks.state_dict(), load_file(first)
    assert all(torch.equal(value, given[key]) for key, value in own.items())


@pytest.mark.parametrize(
    ("changes", "code", "values"),
    [
        ({"model": "fomm"}, "no-training", ["'fomm'", "mraa, ", "tpsm, "]),
        ({"init_from": None}, "missing-option", ["init_from"]),
        ({"init_from": Path("nothing.safetensors")}, "missing-file", ["nothing.safetensors"]),
        ({"init_from": card("fomm").sample}, "other-network", [" FOMM "]),
        ({"stages": ((64, 1.0, 2),)}, "bad-value", ["256"]),
        ({"stages": ((256, 1.0, 1),)}, "bad-value", [" 2 pairs"]),
        ({"model": "tpsm", "adversarial": True}, "no-training", ["adversarial: 'tpsm'"]),
    ],
)
def test_mistakes_are_one_line(changes: dict, code: str, values: list[str], clips: Path, tmp_path: Path) -> None:
    with refused(ModelError, code, *values) as error:
        train(settings(clips, tmp_path, **changes))
    assert "\n" not in str(error.value)


def test_no_part_of_a_batch_is_too_small_for_batch_norm(clips: Path, tmp_path: Path, monkeypatch) -> None:
    run = Run(settings(clips, tmp_path, stages=((256, 1.0, 5),)), TrainingFrames(clips))
    sizes: list[int] = []

    def no_memory(trainee: DisentanglingTrainee, source: Tensor, *_: object) -> None:
        sizes.append(len(source))
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(DisentanglingTrainee, "losses", no_memory)
    with refused(ModelError, "out-of-memory", "5 pairs", "256", "2 parts"):
        run.advance()
    assert sizes == [5, 3] and (tmp_path / "state.pt").is_file()


def test_the_published_recipe_has_the_released_schedule(tmp_path: Path) -> None:
    for model, milestones, drawn in (("tpsm", (0.7, 0.9), 200 * 300), ("mraa", (20 / 30, 25 / 30), 30 * 300)):
        chosen = TrainSettings(model=model, part="avd", recipe="published", data=tmp_path, out=tmp_path)
        assert chosen.plan == ((256, 1.0, 256),) and chosen.milestones == milestones and chosen.rate(0) == 1e-3
        assert chosen.published_steps(256) == drawn
