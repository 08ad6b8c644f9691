from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from baselines.checkpoints import load
from baselines.errors import ModelError
from baselines.memface.training.loop import Stage, train


class Line(Stage):
    """Fits a line to noise, with dropout from the global generator and batches from the step's own."""

    name = "line"

    def __init__(self, stop: int | None = None, *, wide: bool = False, bad: int | None = None):
        torch.manual_seed(0)
        self.networks = nn.ModuleDict({"a": nn.Linear(3, 2), "b": nn.Linear(2, 1)})
        self.optimizers = {k: torch.optim.Adam(v.parameters(), 0.01) for k, v in self.networks.items()}
        self.identity = {"wide": wide}
        self.stop, self.bad, self.seen = stop, bad, []

    def step(self, number: int, rng: torch.Generator, progress: float) -> dict[str, float]:
        if number == self.stop:
            raise RuntimeError("the power went out")
        self.seen.append((number, progress))
        x = torch.randn(8, 3, generator=rng)
        loss = self.networks["b"](nn.functional.dropout(self.networks["a"](x), 0.5)).square().mean()
        one = self.optimizers["a" if number % 2 else "b"]
        one.zero_grad()
        loss.backward()
        one.step()
        value = float("nan") if number == self.bad else loss.item()
        return {"loss": value} | ({"odd": 1.0} if number % 2 else {})

    def checkpoint(self) -> tuple[dict[str, Tensor], dict[str, object]]:
        return dict(self.networks.state_dict()), {"config": {"width": 3}, "data": "noise"}


def run(folder: Path, stage: Line, **settings: int) -> Path:
    return train(stage, out=folder, **{"steps": 20, "seed": 5, "save_every": 4, "log_every": 3, **settings})


def test_a_run_that_was_interrupted_ends_as_one_that_was_not(tmp_path):
    whole = run(tmp_path / "whole", Line())
    with pytest.raises(RuntimeError):
        run(tmp_path / "parts", Line(stop=10))
    stage = Line()
    with torch.no_grad():
        stage.networks["a"].weight.zero_()  # all comes from the state
    resumed = run(tmp_path / "parts", stage)
    assert stage.seen[0] == (8, 0.4)
    one, other = load_file(whole), load_file(resumed)
    assert one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)
    logs = [pd.read_csv(tmp_path / name / "log.csv").drop(columns="seconds") for name in ("whole", "parts")]
    pd.testing.assert_frame_equal(*logs)
    assert list(logs[0].step) == [3, 6, 9, 12, 15, 18, 20] and (logs[0].odd == 1).all()


def test_the_seed_decides(tmp_path):
    one, same, other = (load_file(run(tmp_path / n, Line(), seed=s)) for n, s in (("a", 1), ("b", 1), ("c", 2)))
    assert torch.equal(one["a.weight"], same["a.weight"]) and not torch.equal(one["a.weight"], other["a.weight"])


def test_the_checkpoint_says_what_it_is(tmp_path):
    found = load(run(tmp_path, Line()))
    assert found.model == "line" and found.config == {"width": 3} and set(found.states) == {"a", "b"}
    assert found.facts["seed"] == 5 and found.facts["steps"] == 20 and found.facts["data"] == "noise"


def test_a_folder_of_another_training_is_refused(tmp_path):
    run(tmp_path, Line())
    for stage, settings in ((Line(wide=True), {}), (Line(), {"seed": 6}), (Line(), {"steps": 30})):
        with pytest.raises(ModelError) as error:
            run(tmp_path, stage, **settings)
        assert error.value.code == "other-training"
    torch.save({"step": 1}, tmp_path / "state.pt")
    with pytest.raises(ModelError) as error:
        run(tmp_path, Line())
    assert error.value.code == "not-a-training-state"


def test_a_loss_that_is_not_finite_ends_it(tmp_path):
    with pytest.raises(ModelError) as error:
        run(tmp_path, Line(bad=6))
    assert error.value.code == "diverged"
