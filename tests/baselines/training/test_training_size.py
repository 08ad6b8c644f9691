"""Trainings for frames of other sides than 256."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import torch
from safetensors import safe_open
from support.refused import refused

from baselines.checkpoints import save_sample
from baselines.predictor import ModelError, PairBatch
from baselines.registry import load
from baselines.training import clips as reader
from baselines.training import run as run_module
from baselines.training import trainee as base
from baselines.training.loop import train
from baselines.training.settings import TrainSettings
from baselines.training.trainees import trainee
from bench.runtime.errors import UserError
from bench.training.command import EvaluationSettings, evaluator, read

CPU = torch.device("cpu")


def settings(clips: Path, out: Path, model: str, **changes) -> TrainSettings:
    fields = dict(model=model, data=clips, out=out, steps=1, frame_size=384, stages=((96, 1.0, 1),), bf16=False)
    return TrainSettings(**fields | changes)


@pytest.fixture(autouse=True)
def fewer_norm_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "_NORM_BATCHES", 1)


def answers(file: Path, model: str) -> torch.Tensor:
    """What the checkpoint makes of 384 pixels, after it was asked for frames that it is not for."""
    predictor = load(f"{model}?weights={file}", weights=None, device=CPU)
    assert predictor.frame_size == predictor.describe()["trained_frame_size"] == 384
    with pytest.raises(ModelError, match="resize=true"):
        predictor.set_frame_size(256)
    noise = torch.Generator().manual_seed(0)
    source, driving = (torch.rand(1, 3, 384, 384, generator=noise) for _ in range(2))
    return predictor.predict(PairBatch(("a",), source, driving, seeds=(1,)), "absolute")


def test_a_checkpoint_of_384_says_so(clips: Path, tmp_path: Path) -> None:
    file = train(settings(clips, tmp_path, "mcnet"))
    with safe_open(file, "pt") as content:
        assert '"frame_size": 384' in content.metadata()["config"]
        names = [name for name in content.keys() if "mbUnit.conv_" in name]  # noqa: SIM118 (the file is no mapping)
    assert any("conv_48." in name for name in names) and not any("conv_32." in name for name in names)
    assert answers(file, "mcnet").isfinite().all()


@pytest.mark.slow
@pytest.mark.parametrize("model", ["mraa", "dagan", "fv2v", "x2face", "tpsm+memory", "fomm+scale"])
def test_every_kind_of_network_learns_at_384(model: str, clips: Path, tmp_path: Path) -> None:
    file = train(settings(clips, tmp_path, model, steps=2, stages=((192, 0.5, 2), (384, 0.5, 1)), norm_freeze=1.0))
    assert answers(file, model).isfinite().all()


@pytest.mark.parametrize("model", ["fomm", "mraa", "tpsm", "dagan", "fv2v", "mcnet", "mcnet-paper", "fomm+memory"])
def test_motion_networks_see_a_quarter_of_the_frame(model: str, tmp_path: Path, monkeypatch) -> None:
    """At the last stage the network is the one of the configuration: its keys and shapes are the predictor's."""
    monkeypatch.setattr(base, "Reconstruction", lambda *_: torch.nn.Identity())
    new = trainee(TrainSettings(model=model, data=tmp_path, out=tmp_path, frame_size=384))
    new.set_side(96)
    new.set_side(384)
    file = tmp_path / "x.safetensors"
    save_sample(file, model, dict(new.networks), new.exported_config, {})
    assert load(f"{model}?weights={file}&plain=true", weights=None, device=CPU).frame_size == 384


def test_stages_keep_their_proportion(tmp_path: Path) -> None:
    def plan(**fields) -> list[int]:
        return [side for side, _, _ in TrainSettings(**{"data": tmp_path, "out": tmp_path} | fields).plan]

    assert plan(model="fomm") == [64, 128, 256]
    assert plan(model="fomm", frame_size=384) == [96, 192, 384]
    assert plan(model="mcnet", frame_size=384, size="published") == [384]
    assert plan(model="mcnet", frame_size=384, stages=((128, 1.0, 2),)) == [128]
    for wrong in (128, 300, 320):
        with pytest.raises(ValueError, match="frame_size"):
            plan(model="fomm", frame_size=wrong)


def test_what_cannot_be_trained_is_refused(clips: Path, tmp_path: Path) -> None:
    with refused(ModelError, "bad-value", 384):
        train(settings(clips, tmp_path, "fomm", size="published", stages=((256, 1.0, 1),)))
    with pytest.raises(ModelError, match="one pixel"):
        trainee(settings(clips, tmp_path, "x2face", size="published", stages=()))
    with refused(UserError, "frame-size", "256 pixels", "384"):
        evaluator(settings(clips, tmp_path, "fomm", evaluate_every=1), EvaluationSettings())


def test_the_command_line_takes_it(clips: Path, tmp_path: Path) -> None:
    _, chosen = read(None, {"model": "fomm", "out": tmp_path, "data": str(clips), "device": "cpu", "frame_size": 384})
    assert chosen.plan == ((384, 1.0, chosen.plan[0][2]),)


def test_videos_are_brought_to_the_side(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as output:
        video = output.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 160, 120, "yuv420p"
        for level in (50, 90):
            output.mux(video.encode(av.VideoFrame.from_ndarray(np.full((120, 160, 3), level, np.uint8), "rgb24")))
        output.mux(video.encode(None))
    for side in (256, 384):
        for _ in range(2):  # decoded, then as it was kept
            assert reader.read(tmp_path, cache=tmp_path / "cache", side=side).pixels.shape == (2, 3, side, side)
