"""The loop on synthetic clips: every model takes steps; stopping and going on changes nothing."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from support.refused import refused

from baselines.card import card
from baselines.predictor import ModelError
from baselines.training import run as run_module
from baselines.training.loop import train
from baselines.training.run import Run
from baselines.training.settings import TrainSettings
from baselines.training.trainee import Trainee
from bench.runtime import signals

# Where a processor has no instructions for bfloat16, a convolution in it takes up to 70 times as long.
SLOW = pytest.mark.slow
STAGES = ((64, 0.5, 2), (128, 0.5, 1))


def settings(clips: Path, out: Path, model: str = "fomm", **changes) -> TrainSettings:
    fields = dict(model=model, data=clips, out=out, steps=4, seed=3, stages=STAGES, log_every=1, save_every=100)
    return TrainSettings(**fields | {"bf16": False} | changes)


@pytest.fixture(autouse=True)
def fewer_norm_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "_NORM_BATCHES", 1)


class Stopped(Exception):
    pass


@pytest.mark.parametrize(
    ("model", "bf16"),
    [
        ("fomm", False),
        pytest.param("fomm", True, marks=SLOW),
        pytest.param("tpsm", False, marks=SLOW),
        pytest.param("mcnet", False, marks=SLOW),
    ],
)
def test_interrupted_and_continued_equals_uninterrupted(
    model: str, bf16: bool, clips: Path, tmp_path: Path, monkeypatch
) -> None:
    whole = train(settings(clips, tmp_path / "whole", model, bf16=bf16))
    advance = Run.advance

    def stop_after_three(run: Run) -> None:
        if run.step == 3:
            raise Stopped
        advance(run)

    broken = settings(clips, tmp_path / "broken", model, save_every=3, bf16=bf16)
    monkeypatch.setattr(Run, "advance", stop_after_three)
    with pytest.raises(Stopped):
        train(broken)
    monkeypatch.setattr(Run, "advance", advance)
    continued = train(broken)
    a, b = load_file(whole), load_file(continued)
    assert a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)
    logs = [pd.read_csv(path.parent / "log.csv").drop(columns="seconds") for path in (whole, continued)]
    pd.testing.assert_frame_equal(*logs, check_exact=True)
    assert logs[0]["side"].tolist() == [64, 64, 128, 128] and logs[0].notna().all(axis=None)
    with safe_open(whole, "pt") as file:
        assert {"config", "training"} <= file.metadata().keys()


@pytest.mark.parametrize("model", ["dagan-spade", "fv2v-spade"])
def test_decoders_of_another_kind_keep_the_side(model: str, clips: Path, tmp_path: Path) -> None:
    run = Run(settings(clips, tmp_path, model), run_module.TrainingFrames(clips))
    run.trainee.set_side(64)
    source, driving = torch.rand(2, 2, 3, 64, 64)
    with torch.no_grad():
        assert run.trainee.reconstruct(source, driving).shape == driving.shape


def test_training_lowers_the_loss(clips: Path, tmp_path: Path) -> None:
    train(settings(clips, tmp_path, steps=15, stages=((64, 1.0, 2),), norm_freeze=1.0, log_every=5))
    log = pd.read_csv(tmp_path / "log.csv")
    assert log["l1"].iloc[-1] < 0.8 * log["l1"].iloc[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_finish_and_save_the_step(number: int, clips: Path, tmp_path: Path, monkeypatch) -> None:
    advance = Run.advance

    def send(run: Run) -> None:
        os.kill(os.getpid(), number)
        advance(run)

    monkeypatch.setattr(Run, "advance", send)
    with pytest.raises(KeyboardInterrupt), signals.terminable() as request:
        train(settings(clips, tmp_path))
    assert request.number == number
    assert torch.load(tmp_path / "state.pt", weights_only=True)["step"] == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_signal_ends_a_training_at_once(clips: Path, tmp_path: Path, monkeypatch) -> None:
    def send(run: Run) -> None:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Run, "advance", send)
    with pytest.raises(KeyboardInterrupt):
        train(settings(clips, tmp_path))
    assert not (tmp_path / "state.pt").exists()


def test_non_finite_losses_change_no_weight_and_end_the_run(clips: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(run_module, "_MAX_SKIPPED", 1)
    run = Run(settings(clips, tmp_path), run_module.TrainingFrames(clips))
    parameters = dict(run.trainee.networks.named_parameters())
    before = {name: value.clone() for name, value in parameters.items()}
    losses = type(run.trainee).losses
    monkeypatch.setattr(type(run.trainee), "losses", lambda *a: {k: v * float("nan") for k, v in losses(*a).items()})
    run.advance()
    assert run.skipped == 1
    assert all(torch.equal(before[name], value) for name, value in parameters.items())
    with pytest.raises(ModelError, match="diverged"):
        run.advance()


def test_mcnet_starts_from_fomm_where_shapes_agree(clips: Path, tmp_path: Path) -> None:
    fomm = train(settings(clips, tmp_path / "fomm", steps=1))
    run = Run(settings(clips, tmp_path / "mcnet", "mcnet", init_from=fomm), run_module.TrainingFrames(clips))
    trained, own = load_file(fomm), run.trainee.networks.state_dict()
    shared = [k for k in trained if k.startswith(("kp_detector.", "generator.dense_motion_network."))]
    assert shared and all(torch.equal(trained[key], own[key]) for key in shared)


def test_a_checkpoint_that_fits_nowhere_is_refused(clips: Path, tmp_path: Path) -> None:
    run = Run(settings(clips, tmp_path), run_module.TrainingFrames(clips))
    with refused(ModelError, "other-network"):
        run.trainee.start_from({"kp_detector.kp.weight": torch.zeros(1)})
    start = card("x2face").sample
    with refused(ModelError, "other-network", str(start), "fomm"):
        Run(settings(clips, tmp_path / "other", init_from=start), run_module.TrainingFrames(clips))


def test_a_state_of_another_run_is_refused(clips: Path, tmp_path: Path) -> None:
    train(settings(clips, tmp_path, steps=1))
    with pytest.raises(ModelError, match="another seed"):
        train(settings(clips, tmp_path, steps=1, seed=4))


def test_an_unknown_model_is_refused(clips: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no training"):
        train(settings(clips, tmp_path, model="nobody", stages=STAGES))


def test_stages_and_rate_follow_the_plan(clips: Path, tmp_path: Path) -> None:
    plan = settings(clips, tmp_path, steps=1000)
    assert [plan.stage(step) for step in (0, 499, 500, 999)] == [(64, 2), (64, 2), (128, 1), (128, 1)]
    assert plan.rate(0) == pytest.approx(plan.learning_rate / 50)
    assert plan.rate(100) > plan.rate(600) > plan.rate(999) > 0


def test_trainees_name_what_they_export(clips: Path, tmp_path: Path) -> None:
    run = Run(settings(clips, tmp_path, "tpsm"), run_module.TrainingFrames(clips))
    assert isinstance(run.trainee, Trainee)
    assert set(run.trainee.networks) == {"kp_detector", "dense_motion_network", "inpainting_network"}
