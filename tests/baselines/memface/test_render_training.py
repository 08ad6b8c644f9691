"""Training of MemFace's renderer: frames, memories of people, steps, adaptation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from support import memface_files as made
from support.refused import refused
from torch import nn

from baselines.errors import ModelError
from baselines.facemesh import mesh
from baselines.memface import loading
from baselines.memface.drawing import of_face_mesh
from baselines.memface.training import render
from baselines.memface.training.footage import footage
from baselines.memface.training.loop import train
from baselines.memface.view import Framing
from protocols import interruption

RECIPE = render.RenderRecipe(rate=1e-3, batch=3, left_out=1, discriminator=4, vgg_side=16, vgg_layers=1)


class Features(nn.Module):
    """In place of VGG, which takes longer to read than all else here."""

    name = "identity"

    def forward(self, images: torch.Tensor, depth: int) -> list[torch.Tensor]:
        assert images.shape[-1] == 16 and depth == 1
        return [images]


@pytest.fixture(autouse=True)
def light(monkeypatch):
    monkeypatch.setattr(mesh, "find", made.find)
    monkeypatch.setattr(render, "VggFeatures", Features)


def person(identity="anna", count=8, shade=1.0):
    """Clips of gray frames, in which a gray value moves the face."""
    pictures = [np.full((64, 64, 3), int(20 + shade * 20 * k), np.uint8) for k in range(count)]
    return footage(
        identity, [pictures[: count // 2], pictures[count // 2 :]], Framing(**made.RENDER["view"]), of_face_mesh()
    )


def stage(people=None, start=None, recipe=RECIPE, seed=0, **changes):
    torch.manual_seed(seed)
    config = {**made.RENDER, **changes}
    return render.RenderStage("memface-render", config, people or [person()], recipe, seed=seed, start=start)


def test_footage_has_the_true_window_and_no_mouth_of_it_in_the_template():
    found = person()
    assert len(found.scenes) == 8 and found.lost == 0
    for one, target in zip(found.scenes, found.targets):
        assert not one.template[one.masked].any() and one.masked.mean() > 0.2
        near = ~one.masked & (one.template > 0).any(-1)
        assert np.abs(one.template[near].astype(int) - target[near]).max() <= 1
    assert np.diff(found.positions).tolist() == [1, 1, 1, 999_997, 1, 1, 1]


def test_frames_without_a_face_are_counted_and_a_clip_of_them_is_refused():
    black = np.zeros((64, 64, 3), np.uint8)
    framing, drawing = Framing(**made.RENDER["view"]), of_face_mesh()
    assert footage("a", [[black, np.full((64, 64, 3), 9, np.uint8)]], framing, drawing).lost == 1
    with refused(ModelError, "no-face"):
        footage("a", [[black]], framing, drawing)


def test_the_memory_gives_no_frame_near_the_one_that_is_drawn():
    new = stage(slots=8)
    chosen = torch.tensor([0, 5])
    left_out = new._left_out(0, chosen)
    stored = new.people[0].positions[new.memories[0][0].indices]
    wanted = np.abs(new.people[0].positions[chosen][:, None] - stored) <= 1
    assert np.array_equal(left_out.numpy(), wanted) and left_out.sum(1).tolist() == [2, 3]


def test_every_epoch_shows_every_frame_once():
    new = stage()
    for epoch in range(2):
        shown = torch.cat([new._chosen(3 * epoch + at, 0, 8) for at in range(3)])
        assert sorted(shown.tolist()) == list(range(8))
    assert render.steps(new.people, 50, 3) == 150


def test_steps_are_seeded(tmp_path):
    found = []
    for name in ("a", "b"):
        file = train(stage(seed=4), out=tmp_path / name, steps=3, seed=4, save_every=100)
        found.append(load_file(file))
    assert all(torch.equal(found[0][key], found[1][key]) for key in found[0])
    assert {"l2", "total", "discriminator"} <= set(pd.read_csv(tmp_path / "a" / "log.csv"))


def test_the_loss_falls(tmp_path):
    recipe = render.RenderRecipe(rate=5e-3, batch=4, adversarial=False, vgg_side=16, vgg_layers=1)
    train(
        stage([person(shade=0.05)], recipe=recipe, memory="none"),
        out=tmp_path,
        steps=40,
        seed=0,
        save_every=100,
        log_every=10,
    )
    l2 = pd.read_csv(tmp_path / "log.csv")["l2"]
    assert l2.iloc[-1] < 0.5 * l2.iloc[0]


def test_a_training_goes_on_to_the_bit(tmp_path, monkeypatch):
    whole = train(stage(), out=tmp_path / "whole", steps=6, seed=0, save_every=100)
    calls = iter([False, False, True])
    monkeypatch.setattr(interruption, "requested", lambda: next(calls, False))
    with pytest.raises(interruption.Interrupted):
        train(stage(), out=tmp_path / "parts", steps=6, seed=0, save_every=100)
    parts = train(stage(), out=tmp_path / "parts", steps=6, seed=0, save_every=100)
    one, other = load_file(whole), load_file(parts)
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_two_people_have_a_memory_each():
    new = stage([person("anna"), person("ben", 6, 1.5)], slots=5)
    before = new.renderer.memory.keys.clone()
    for number in range(4):
        new.step(number, torch.Generator().manual_seed(number), 0.0)
    assert torch.equal(new.renderer.memory.keys, before)
    _, facts = new.checkpoint()
    assert facts["memory"]["identity"] == "anna" and facts["memory"]["slots"] == 5


def test_without_adversary_there_is_no_discriminator():
    new = stage(recipe=render.RenderRecipe(batch=2, adversarial=False, vgg_side=16, vgg_layers=1))
    assert set(new.networks) == {"renderer"}
    assert set(new.step(0, torch.Generator().manual_seed(0), 0.0)) == {"l2", "total"}


def test_adaptation_keeps_the_weights_and_rebuilds_the_memory(tmp_path):
    file = train(stage(), out=tmp_path / "a", steps=2, seed=0, save_every=100)
    begun, facts = loading.read_renderer(file)
    assert facts["memory"]["slots"] == 4 and facts["people"][0]["identity"] == "anna"
    new = stage([person("ben", 6, 1.5)], start=begun.state_dict())
    for name, value in new.renderer.named_parameters():
        assert torch.equal(value, begun.get_parameter(name))
    assert not torch.equal(new.renderer.memory.patches, begun.memory.patches)
    assert new.checkpoint()[1]["memory"]["identity"] == "ben"


@pytest.mark.parametrize("memory", ["none", "implicit"])
def test_variants_train_too(memory, tmp_path):
    file = train(stage(memory=memory), out=tmp_path, steps=2, seed=0, save_every=100)
    assert loading.read_renderer(file)[0].kind == memory
