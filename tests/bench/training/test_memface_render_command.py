"""`train --model memface-render` and `--adapt`."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from support import memface_files as made
from torch import nn
from typer.testing import CliRunner

from baselines.facemesh import mesh
from baselines.memface import loading
from baselines.memface.training import render
from bench.cli.main import app
from bench.training import memface_render
from bench.training.command import STAGES
from protocols.errors import BenchError


class Features(nn.Module):
    name = "identity"

    def forward(self, images, depth):
        return [images]


@pytest.fixture
def clips(tmp_path, monkeypatch):
    monkeypatch.setattr(mesh, "find", made.find)
    monkeypatch.setattr(render, "VggFeatures", Features)
    monkeypatch.setattr(memface_render, "REDUCED", made.RENDER)
    for clip, first in (("anna", 30), ("ben", 60)):
        folder = tmp_path / "data" / clip
        folder.mkdir(parents=True)
        for number in range(6):
            Image.fromarray(np.full((64, 64, 3), first + 9 * number, np.uint8)).save(folder / f"{number:04d}.png")
    return tmp_path / "data"


SMALL = ("--steps", 2, "--recipe", "short", "--device", "cpu")


def call(*arguments: object):
    return CliRunner().invoke(app, ["train", *(str(argument) for argument in arguments)])


def refused(done, code: str) -> None:
    assert isinstance(done.exception, BenchError), done.output
    assert done.exception.code == code and "\n" not in str(done.exception)


def test_train_and_adapt(clips, tmp_path):
    done = call("--model", "memface-render", "--data", clips, "--out", tmp_path / "out", *SMALL)
    assert done.exit_code == 0, done.output
    file = tmp_path / "out" / "memface-render.safetensors"
    renderer, facts = loading.read_renderer(file)
    assert renderer.kind == "explicit" and {one["identity"] for one in facts["people"]} == {"anna", "ben"}
    begun = ("--init-from", file)
    done = call("--model", "memface-render", "--adapt", clips / "ben", *begun, "--out", tmp_path / "new", *SMALL)
    assert done.exit_code == 0, done.output
    adapted, facts = loading.read_renderer(tmp_path / "new" / "memface-render.safetensors")
    assert facts["memory"]["identity"] == "ben" and facts["started_from"] and facts["recipe"]["rate"] == 5e-4
    assert adapted.config == renderer.config


def test_only_the_seconds_that_are_asked_for(clips):
    seen = list(memface_render._frames(clips / "anna", 0.04, 0.16))
    assert [int(frame[0, 0, 0]) for frame in seen] == [39, 48, 57]


def test_as_published_by_default_on_other_data(tmp_path):
    own = memface_render.RenderSettings(model="memface-render", out=tmp_path, data="x")
    assert not own.short and own.config["view"]["side"] == 256 and own.config["slots"] == 300
    assert own.recipe_of(render.SHORT, render.RenderRecipe()).rate == 1e-4
    sample = memface_render.RenderSettings(model="memface-n100", out=tmp_path)
    assert sample.short and sample.config["view"]["side"] == 128 and sample.config["slots"] == 100


@pytest.mark.parametrize(
    ("name", "memory", "slots"),
    [
        ("memface-no-explicit", "none", 300),
        ("memface-implicit-render", "implicit", 300),
        ("memface-n500", "explicit", 500),
    ],
)
def test_variants_are_trained_by_their_names(tmp_path, name, memory, slots):
    assert STAGES[name] == "bench.training.memface_render"
    config = memface_render.RenderSettings(model=name, out=tmp_path).config
    assert (config["memory"], config["slots"]) == (memory, slots)


def test_what_cannot_be_done_is_one_line(clips, tmp_path):
    out = ("--out", tmp_path / "out", *SMALL)
    refused(call("--model", "memface-render", "--adapt", clips / "ben", *out), "missing-option")
    refused(call("--model", "memface-render", "--adapt", clips / "ben", "--data", clips, *out), "conflicting-options")
    refused(call("--model", "memface-render", "--data", tmp_path / "none", *out), "missing-folder")
    start = ("--init-from", made.save_render(tmp_path / "r.safetensors"))
    refused(call("--model", "memface-render", "--adapt", tmp_path / "nobody", *start, *out), "unknown-clip")
    refused(call("--model", "memface-no-explicit", "--adapt", clips / "ben", *start, *out), "other-network")
    refused(call("--model", "memface-no-explicit", "--data", clips, *start, *out), "other-network")
    begun = ("--init-from", made.save_a2e(tmp_path / "a.safetensors"))
    refused(call("--model", "memface-render", "--adapt", clips / "ben", *begun, *out), "other-network")
