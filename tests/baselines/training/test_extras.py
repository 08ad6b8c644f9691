"""Averages, accumulation, schedules, evaluations, memory that runs out: none of them breaks exact resuming."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from support.refused import refused
from torch import nn

from baselines.predictor import ModelError
from baselines.training import run as run_module
from baselines.training.average import Average
from baselines.training.data import Augmentation, TrainingFrames
from baselines.training.evaluation import Evaluation, Evaluations
from baselines.training.loop import train
from baselines.training.run import Run
from baselines.training.settings import TrainSettings


@pytest.fixture(autouse=True)
def fewer_norm_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "_NORM_BATCHES", 1)


def settings(clips: Path, out: Path, **changes) -> TrainSettings:
    fields = dict(model="fomm", data=clips, out=out, steps=4, seed=3, stages=((64, 1.0, 2),), log_every=1)
    return TrainSettings(**fields | changes)


def same(a: Path, b: Path) -> bool:
    first, second = load_file(a), load_file(b)
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.slow
def test_resuming_is_exact_with_everything_on(clips: Path, tmp_path: Path, monkeypatch) -> None:
    extras = {"ema": 0.9, "accumulate": 2, "schedule": "step", "milestones": (0.5, 0.75), "cache": tmp_path / "cache"}
    whole = train(settings(clips, tmp_path / "whole", **extras))
    broken = settings(clips, tmp_path / "broken", save_every=2, **extras)
    advance = Run.advance

    def stop_after_two(run: Run) -> None:
        if run.step == 2:
            raise KeyboardInterrupt
        advance(run)

    monkeypatch.setattr(Run, "advance", stop_after_two)
    with pytest.raises(KeyboardInterrupt):
        train(broken)
    monkeypatch.setattr(Run, "advance", advance)
    assert same(whole, train(broken))
    assert not same(whole, train(settings(clips, tmp_path / "plain")))


def test_a_state_from_before_a_setting_existed_goes_on(clips: Path, tmp_path: Path) -> None:
    train(settings(clips, tmp_path, steps=1))
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    for name in ("size", "schedule", "milestones", "recipe", "vgg", "accumulate", "devices", "ema"):
        del state["identity"][name]
    del state["split"], state["evaluations"], state["average"]
    torch.save(state, tmp_path / "state.pt")
    assert Run(settings(clips, tmp_path, steps=1), TrainingFrames(clips)).step == 1
    with pytest.raises(ModelError, match="another accumulate"):
        Run(settings(clips, tmp_path, steps=1, accumulate=2), TrainingFrames(clips))


def test_accumulated_gradients_are_the_mean_over_the_batches(clips: Path, tmp_path: Path) -> None:
    run = Run(settings(clips, tmp_path, accumulate=2, bf16=False), TrainingFrames(clips))
    run.trainee.set_side(64)
    weight = run.trainee.network.generator.final.weight
    total, both = run.gradients(64, 2)["total"], weight.grad.clone()
    seed, single, grads = run.seed, [], []
    run.settings = run.settings.model_copy(update={"accumulate": 1})
    for number in range(2):
        run.seed = lambda step, _=0, number=number: seed(step, number)
        single.append(run.gradients(64, 2)["total"])
        grads.append(weight.grad.clone())
    assert total == pytest.approx(sum(single) / 2, rel=1e-5) and single[0] != single[1]
    assert torch.allclose(both, (grads[0] + grads[1]) / 2, atol=1e-5 * both.abs().max().item())


def test_the_average_follows_its_recurrence_and_changes_places() -> None:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(layer.weight)
    average, expected = Average(layer, decay=0.5), 0.0
    for step, value in enumerate((1.0, 2.0, 3.0), start=1):
        nn.init.constant_(layer.weight, value)
        average.update(step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
    with average.in_place():
        assert layer.weight.item() == pytest.approx(expected)
    assert layer.weight.item() == 3


def test_rates_of_the_schedules(clips: Path, tmp_path: Path) -> None:
    steps = settings(clips, tmp_path, steps=100, schedule="step", learning_rate=2e-4)
    assert [round(steps.rate(step) / 2e-4, 9) for step in (0, 59, 60, 89, 90, 99)] == [1, 1, 0.1, 0.1, 0.01, 0.01]
    constant = settings(clips, tmp_path, steps=100, schedule="constant")
    assert constant.rate(0) == constant.rate(99) == constant.learning_rate
    with pytest.raises(ValueError, match="ascend"):
        settings(clips, tmp_path, milestones=(0.9, 0.6))


@pytest.mark.slow
def test_evaluations_change_nothing_and_keep_the_best(clips: Path, tmp_path: Path) -> None:
    seen: list[dict[str, torch.Tensor]] = []

    def evaluate(checkpoint: Path) -> Evaluation:
        seen.append(load_file(checkpoint))
        torch.rand(3)  # an evaluation may draw
        return Evaluation({"l1": 0.1}, [3.0, 1.0, 2.0, 5.0][len(seen) - 1])

    plain = train(settings(clips, tmp_path / "plain"))
    watched = train(settings(clips, tmp_path / "watched", evaluate_every=1), evaluate)
    assert same(plain, watched) and len(seen) == 4
    best = load_file(tmp_path / "watched" / "fomm.best.safetensors")
    assert all(torch.equal(best[key], seen[1][key]) for key in best)
    table = pd.read_csv(tmp_path / "watched" / "evaluation.csv")
    assert table["step"].tolist() == [1, 2, 3, 4] and table["score"].tolist() == [3, 1, 2, 5]


@pytest.mark.slow
def test_training_ends_early_on_request(clips: Path, tmp_path: Path) -> None:
    scores = iter([3.0, 1.0, 1.0, 2.0, 0.0])
    chosen = settings(clips, tmp_path, steps=6, evaluate_every=1, patience=2)
    assert train(chosen, lambda checkpoint: Evaluation({}, next(scores))).is_file()
    assert torch.load(tmp_path / "state.pt", weights_only=True)["step"] == 4
    assert train(chosen, lambda checkpoint: Evaluation({}, next(scores))).is_file() and next(scores) == 0.0


def test_patience_counts_from_the_best() -> None:
    rows = [{"step": i, "score": score} for i, score in enumerate((3.0, 2.0, 2.5, 1.9, 1.9, 2.0))]
    assert [Evaluations(rows[:n]).exhausted(2) for n in range(7)] == [False] * 6 + [True]
    assert not Evaluations(rows).exhausted(0)


def test_a_batch_that_does_not_fit_is_split(clips: Path, tmp_path: Path, monkeypatch) -> None:
    run = Run(settings(clips, tmp_path), TrainingFrames(clips))
    losses = type(run.trainee).losses

    def short_of_memory(trainee, source, *rest):
        if len(source) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return losses(trainee, source, *rest)

    monkeypatch.setattr(type(run.trainee), "losses", short_of_memory)
    run.advance()
    assert run.split == 2 and run.step == 1 and run.rows[0]["total"] > 0
    run.save()
    assert Run(settings(clips, tmp_path), TrainingFrames(clips)).split == 2


def test_where_no_pair_fits_the_state_is_kept(clips: Path, tmp_path: Path, monkeypatch) -> None:
    run = Run(settings(clips, tmp_path), TrainingFrames(clips))
    run.advance()
    before = {name: value.clone() for name, value in run.trainee.networks.state_dict().items()}

    def no_memory(*_):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(type(run.trainee), "losses", no_memory)
    with refused(ModelError, "out-of-memory"):
        run.advance()
    kept = torch.load(tmp_path / "state.pt", weights_only=True)
    assert kept["step"] == 1 and all(torch.equal(before[key], kept["networks"][key]) for key in before)


def test_other_errors_are_not_taken_for_a_lack_of_memory(clips: Path, tmp_path: Path, monkeypatch) -> None:
    run = Run(settings(clips, tmp_path), TrainingFrames(clips))
    monkeypatch.setattr(type(run.trainee), "losses", lambda *_: (_ for _ in ()).throw(RuntimeError("a bug")))
    with pytest.raises(RuntimeError, match="a bug"):
        run.advance()


@pytest.mark.slow
def test_tensorboard_has_the_log_and_pictures(clips: Path, tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    plain = train(settings(clips, tmp_path / "plain", steps=2))
    assert same(plain, train(settings(clips, tmp_path / "board", steps=2, tensorboard=True, save_every=1)))
    events = accumulator.EventAccumulator(str(tmp_path / "board" / "tensorboard"))
    events.Reload()
    log = pd.read_csv(tmp_path / "board" / "log.csv")
    assert [event.value for event in events.Scalars("training/total")] == pytest.approx(log["total"].tolist(), rel=1e-4)
    image = events.Images("source, driving, result")[0]
    assert (image.width, image.height) == (3 * 64, 4 * 64)


def test_published_size_takes_whole_frames_only(clips: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=" 256$"):
        train(settings(clips, tmp_path, size="published"))


@pytest.mark.parametrize("model", ["fomm", "mraa", "mcnet", "ostnet", "tpsm"])
def test_the_published_recipe_has_the_terms_of_the_papers(model: str, clips: Path, tmp_path: Path) -> None:
    run = Run(settings(clips, tmp_path, model=model, recipe="published"), TrainingFrames(clips))
    assert run.augmentation == Augmentation(shared=0, own=0, color=0.1, hue=0.1)
    run.trainee.set_side(64)
    terms = set(run.gradients(64, 2)) - {"total"}
    jacobians = {"equivariance_value", "equivariance_jacobian"}
    assert (
        terms
        == {
            "fomm": {"perceptual", *jacobians},
            "mraa": {"perceptual", "equivariance_shift", "equivariance_affine"},
            "mcnet": {"perceptual", *jacobians, "keypoint_distance", "consistency"},
            "ostnet": {"perceptual", "rectified_perceptual", *jacobians, "keypoint_distance"},
            "tpsm": {"perceptual", "equivariance_value", "warp"},
        }[model]
    )


def test_a_damaged_state_is_one_line(clips: Path, tmp_path: Path) -> None:
    train(settings(clips, tmp_path, steps=1))
    whole = (tmp_path / "state.pt").read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"nothing"):
        (tmp_path / "state.pt").write_bytes(content)
        with pytest.raises(ModelError, match="state.pt is "):
            train(settings(clips, tmp_path, steps=1))
    torch.save({"networks": {}}, tmp_path / "state.pt")
    with pytest.raises(ModelError, match="not a training state"):
        train(settings(clips, tmp_path, steps=1))
