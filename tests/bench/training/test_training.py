"""Settings of a training from a file and the command line; evaluations by the harness; several processes."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from support.refused import refused

from baselines.predictor import ModelError
from baselines.training import loop
from baselines.training import run as run_module
from baselines.training.evaluation import Evaluations
from baselines.training.settings import TrainSettings
from baselines.training.vgg import VGG19
from bench.runtime.errors import UserError
from bench.training import command
from bench.training.command import EvaluationSettings, evaluator, read, scored
from reports.schema.summary import Row


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips") / "a"
    folder.mkdir()
    y, x = np.mgrid[:64, :64]
    for i in range(4):
        frame = np.stack([2 * x + 40, 2 * y + 60, np.full_like(x, 90)], axis=-1).astype(np.uint8)
        frame[(x - 20 - 5 * i) ** 2 + (y - 30) ** 2 < 120] = 230
        Image.fromarray(frame).save(folder / f"{i}.png")
    return folder.parent


def write(file: Path, text: str) -> Path:
    file.write_text(text, encoding="utf-8")
    return file


def test_the_command_line_goes_before_the_file(clips: Path, tmp_path: Path) -> None:
    file = write(
        tmp_path / "a.toml",
        f"""model = "fomm"
        data = {str(clips)!r}
        steps = 50
        schedule = "step"
        stages = [[64, 1.0, 2]]
        threads = 1
        [evaluation]
        limit = 3
        """,
    )
    whole, chosen = read(
        file, {"steps": 7, "out": tmp_path / "out", "protocol": "vox1-crossid", "evaluate_every": 5, "device": "cpu"}
    )
    assert (chosen.model, chosen.steps, chosen.schedule, chosen.plan) == ("fomm", 7, "step", ((64, 1.0, 2),))
    assert (chosen.data, chosen.clips, chosen.device) == (clips, None, "cpu")
    assert whole.evaluation == EvaluationSettings(protocol="vox1-crossid", limit=3) and whole.threads == 1


def test_defaults_are_those_that_sample_checkpoints_were_made_with(sample_set: Path, tmp_path: Path) -> None:
    _, chosen = read(None, {"model": "fomm", "out": tmp_path, "device": "cpu"})
    assert chosen == TrainSettings(model="fomm", data=sample_set, clips=chosen.clips, out=tmp_path)
    assert (chosen.size, chosen.recipe, chosen.schedule, chosen.steps) == ("reduced", "short", "cosine", 2000)


def test_on_data_of_ones_own_the_papers_training_is_the_default(clips: Path, tmp_path: Path) -> None:
    given = {"model": "fomm", "out": tmp_path, "data": str(clips), "device": "cpu"}
    _, chosen = read(None, given)
    assert (chosen.size, chosen.recipe, chosen.schedule, chosen.norm_freeze) == ("published", "published", "step", 1)
    assert (chosen.learning_rate, chosen.milestones, chosen.plan) == (2e-4, (0.6, 0.9), ((256, 1.0, 40),))
    assert (chosen.steps, chosen.bf16, chosen.clip_norm) == (188, False, None)  # 100 * 75 / 40: one identity
    assert read(None, given | {"model": "tpsm"})[1].milestones == (0.7, 0.9)
    assert read(None, given | {"learning_rate": 1e-3})[1].learning_rate == 1e-3
    assert read(None, given | {"recipe": "short"})[1].schedule == "cosine"


def test_the_papers_vgg_is_taken_where_it_is(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("TALKING_HEAD_BENCH_WEIGHTS", str(tmp_path))
    given = {"model": "fomm", "out": tmp_path / "out", "data": str(clips), "device": "cpu"}
    assert read(None, given)[1].vgg is None
    (tmp_path / VGG19).touch()
    assert read(None, given)[1].vgg == tmp_path / VGG19
    assert read(None, given | {"vgg": tmp_path / "other.pth"})[1].vgg == tmp_path / "other.pth"
    assert read(None, given | {"data": "sample"})[1].vgg is None
    assert read(None, given | {"data": "sample", "recipe": "published"})[1].vgg == tmp_path / VGG19


def test_an_epoch_draws_identities_not_clips(clips: Path, tmp_path: Path) -> None:
    for name in ("id1#a#0#9", "id1#b#0#9", "id2#a#0#9"):
        (tmp_path / "data" / name).mkdir(parents=True)
    given = {"model": "fomm", "out": tmp_path / "out", "data": str(tmp_path / "data"), "device": "cpu"}
    assert read(None, given)[1].steps == 100 * 75 * 2 // 40
    assert read(None, given | {"accumulate": 3, "devices": 2})[1].steps == 100 * 75 * 2 // 120
    assert read(None, given | {"model": "ostnet"})[1].steps == round(100 * 75 * 2 / 64)


def test_clips_of_pair_lists_are_left_out(tmp_path: Path) -> None:
    for name in ("id1#a#0#9", "id1#b#0#9", "id10003#a#0#9.mp4"):
        (tmp_path / "data" / name).mkdir(parents=True)
    frame = "id10003#a#0#9.mp4/0000001.png"
    listed = write(tmp_path / "list.csv", f"source,driving\n{frame},{frame}\n")
    given = {"model": "fomm", "out": tmp_path / "out", "data": str(tmp_path / "data"), "device": "cpu"}
    for value in (f"'{listed}'", f"['{listed}']"):
        file = write(tmp_path / "a.toml", f"exclude_pairs = {value}")
        _, chosen = read(file, given)
        assert chosen.excluded == ("id10003#a#0#9.mp4",) and chosen.steps == 188  # of one identity
    assert read(None, given | {"exclude_pairs": [str(listed)]})[1].excluded == chosen.excluded
    with pytest.raises(ModelError, match="nowhere.csv"):
        read(file, given | {"exclude_pairs": ["nowhere.csv"]})


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ('steps = "many"', "bad-settings-file", ("a.toml: steps: ",)),
        ("speed = 3", "bad-settings-file", ("a.toml: speed: ",)),
        ("steps = 0", "bad-settings-file", ("a.toml: steps: ",)),
        ("[evaluation]\nprotokol = 'x'", "bad-settings-file", ("a.toml: evaluation.protokol: ",)),
        ("steps = ", "bad-settings-file", ("a.toml: ", "TOML")),
        ("patience = 3", "missing-option", ("patience", "evaluate_every")),
        ('data = "nowhere"', "missing-folder", ("--data nowhere: ",)),
    ],
)
def test_mistakes_in_the_file_are_one_line(
    text: str, code: str, words: tuple[str, ...], clips: Path, tmp_path: Path
) -> None:
    file = write(tmp_path / "a.toml", text)
    given = {"model": "fomm", "out": tmp_path, "device": "cpu"} | ({} if "data" in text else {"data": str(clips)})
    with refused(UserError, code, *words) as error:
        read(file, given)
    assert "\n" not in str(error.value)


def test_a_pipe_is_no_settings_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with refused(UserError, "bad-settings-file", "pipe"):
        read(tmp_path / "pipe", {"model": "fomm", "out": tmp_path / "out"})


def test_model_and_out_are_needed(clips: Path) -> None:
    with refused(UserError, "missing-option", "--model"):
        read(None, {"data": str(clips)})


def test_a_metric_that_is_not_measured_cannot_be_watched(clips: Path, tmp_path: Path) -> None:
    chosen = TrainSettings(model="fomm", data=clips, out=tmp_path)
    with refused(UserError, "unknown-metric", "beauty"):
        evaluator(chosen, EvaluationSettings(watch="beauty"))


def test_the_harness_evaluates_and_may_end_the_training(
    clips: Path, tmp_path: Path, sample_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "_NORM_BATCHES", 1)
    chosen = TrainSettings(
        model="fomm", data=clips, out=tmp_path, steps=2, stages=((64, 1.0, 2),), evaluate_every=1, bf16=False
    )
    how = EvaluationSettings(limit=2, metrics=("ssim", "l1"), watch="ssim")
    loop.train(chosen, evaluator(chosen, how))
    table = pd.read_csv(tmp_path / "evaluation.csv")
    assert table["step"].tolist() == [1, 2] and table["score"].tolist() == [-x for x in table["ssim"]]
    assert table["l1"].between(0.001, 1).all()
    samples = pd.read_parquet(tmp_path / "evaluations" / "latest" / "samples.parquet")
    assert samples["l1"].mean() == pytest.approx(table["l1"].iloc[-1], abs=1e-9) and len(samples) == 2


def test_one_training_at_a_time_in_a_folder(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, begun = tmp_path / "out", []

    def loop_of(settings: TrainSettings, evaluate: object) -> Path:
        begun.append(json.loads((settings.out / ".lock.json").read_text())["pid"])
        with refused(UserError, "locked", settings.out, os.getpid()):
            command.train(None, given)  # as a second process would
        monkeypatch.setenv("LOCAL_RANK", "1")  # the second process of this training
        monkeypatch.setattr(command, "train_loop", lambda *_: settings.out / "of rank 1")
        assert command.train(None, given).name == "of rank 1"
        return settings.out / "made"

    given = {"model": "fomm", "data": str(clips), "out": out, "recipe": "short", "size": "reduced", "steps": 1}
    monkeypatch.setattr(command, "train_loop", loop_of)
    assert command.train(None, given | {"device": "cpu"}) == out / "made"
    assert begun == [os.getpid()] and not (out / ".lock.json").exists()


def test_a_checkpoint_whose_pairs_all_failed_has_the_worst_score(tmp_path: Path) -> None:
    checkpoint = tmp_path / "fomm.latest.safetensors"
    checkpoint.write_bytes(b"first")
    evaluations = Evaluations()
    for step, (ssim, l1) in enumerate([(0.5, 0.2), (None, None), (None, 0.1)]):
        rows = [Row.model_construct(metric="ssim", mean=ssim), Row.model_construct(metric="l1", mean=l1)]
        row = evaluations.note(step, scored(rows, "ssim", -1.0), checkpoint)
        assert row["score"] == (np.inf if ssim is None else -ssim)
        checkpoint.write_bytes(b"later")
    assert [math.isnan(row["l1"]) for row in evaluations.rows] == [False, True, False]
    assert (tmp_path / "fomm.best.safetensors").read_bytes() == b"first" and evaluations.exhausted(2)


@pytest.mark.slow
@pytest.mark.parametrize(("model", "recipe"), [("fomm", "short"), ("dagan", "published")])
def test_two_processes_take_the_step_of_two_accumulated_batches(
    model: str, recipe: str, clips: Path, tmp_path: Path
) -> None:
    pytest.importorskip("lightning_fabric")
    text = f"size = 'reduced'\nrecipe = '{recipe}'\n"
    text += "steps = 1\nstages = [[64, 1.0, 2]]\nbf16 = false\nnorm_freeze = 1.0\nthreads = 1\ndevice = 'cpu'"
    file = write(tmp_path / "a.toml", text)
    command = [sys.executable, "-m", "bench", "train", "--model", model, "--data", str(clips), "--config", str(file)]
    done = subprocess.run(
        [*command, "--devices", "2", "--out", str(tmp_path / "two")], capture_output=True, text=True, timeout=550
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("checkpoint:") == 1
    for name, accumulate in (("accumulated", 2), ("alone", 1)):
        given = {"model": model, "data": str(clips), "out": tmp_path / name, "accumulate": accumulate}
        loop.train(read(file, given)[1])
    parts = [{name: load_file(tmp_path / name / f"{model}.safetensors") for name in ("two", "accumulated", "alone")}]
    if recipe == "published":
        states = {name: torch.load(tmp_path / name / "state.pt", weights_only=True) for name in parts[0]}
        parts.append({name: state["discriminator"]["networks"] for name, state in states.items()})
    for networks in parts:
        # Adam's first step is nearly a sign: a gradient of nothing but rounding moves a weight as far as any other.
        assert distance(networks["two"], networks["accumulated"]) < 0.1 * distance(networks["two"], networks["alone"])


def distance(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    return sum(float((value - b[key]).abs().sum()) for key, value in a.items() if "weight" in key)
