"""MemFace as a model driven by sound: both stages, options, files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from support import memface_files as made
from support.refused import refused
from torch import Tensor

from baselines import listing, registry
from baselines.errors import ModelError
from baselines.facemesh import mesh
from baselines.memface import predictor as predictors
from baselines.memface.audio_to_expression import parameters
from baselines.memface.predictor import NO_FACE_AT_ALL
from baselines.memface.variants import VARIANTS
from baselines.predictor import PairBatch
from protocols.cache import CACHE_VARIABLE

A2E = "audio to expression"  # the first network, in facts

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def faces(monkeypatch):
    monkeypatch.setattr(mesh, "find", made.find)


@pytest.fixture
def model():
    return predictors.MemFacePredictor("memface", made.Yawning(), made.renderer(), CPU)


@pytest.fixture
def files(tmp_path):
    return made.save_a2e(tmp_path / "a.safetensors"), made.save_render(tmp_path / "r.safetensors")


def load(spec, weights=None):
    return registry.load(spec, weights=weights, device=CPU)


def test_a_frame_a_time_and_the_rest_of_the_template_stays(model):
    pictures = made.frames(7)
    answers = list(model.talk(made.talk(pictures)))
    assert len(answers) == 7
    for answer, picture in zip(answers, pictures):
        assert answer.shape == picture.shape and answer.dtype == torch.float32
        assert float(answer.min()) >= 0 and float(answer.max()) <= 1
        assert torch.equal(answer[:, :20], picture[:, :20])
        assert (answer[:, 34:50, 24:40] - picture[:, 34:50, 24:40]).abs().mean() > 0.01


def test_the_sound_moves_the_mouth(model):
    pictures = made.frames(3)
    silent, loud = (torch.stack(list(model.talk(made.talk(pictures, level)))) for level in (0, 12000))
    assert (silent - loud).abs().max() > 1e-3


def test_answers_do_not_depend_on_how_many_are_made_at_once(model):
    pictures = made.frames(9)
    together = torch.stack(list(model.talk(made.talk(pictures))))
    model.at_once = 2
    torch.testing.assert_close(torch.stack(list(model.talk(made.talk(pictures)))), together, atol=1e-5, rtol=0)


def test_the_template_s_mouth_is_not_seen(model):
    pictures = made.frames(4)
    painted = [picture.clone() for picture in pictures]
    for picture in painted:
        picture[:, 36:44, 28:40] = torch.rand(3, 8, 12)
    for one, other in zip(model.talk(made.talk(pictures)), model.talk(made.talk(painted))):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=0)


def test_frames_stream(model):
    """The first answers come before the template's second reading is through."""
    pictures, read = made.frames(40), []
    talk = made.talk(pictures)

    def template():
        for number, picture in enumerate(pictures):
            read.append(number)
            yield picture

    model.at_once = 4
    answers = model.talk(type(talk)(talk.id, talk.sound, talk.times, talk.rate, template, talk.identity, 0))
    next(answers)
    assert len(read) == 40 + 4


def test_a_frame_without_a_face_is_nan_and_says_why(model):
    pictures = made.frames(5, without=(2,))
    names = [f"p{number}" for number in range(5)]
    model.begin(made.talk(pictures), names)
    images = torch.stack(pictures)
    answers = model.predict(PairBatch(tuple(names), images, images), "absolute")
    assert answers.isnan().flatten(1).any(1).tolist() == [False, False, True, False, False]
    assert "no face" in model.why_missing("p2") and model.why_missing("p1") is None


def test_a_template_without_any_face_is_all_nan(model):
    pictures = made.frames(3, without=(0, 1, 2))
    names = ["a", "b", "c"]
    model.begin(made.talk(pictures), names)
    images = torch.stack(pictures)
    assert model.predict(PairBatch(tuple(names), images, images), "absolute").isnan().all()
    assert model.why_missing("b") == NO_FACE_AT_ALL


def test_whole_frames_must_be_square(model):
    model.renderer = made.renderer(view={"side": 32, "width": None, "patch": 18, "patch_width": 9.0})
    wide = [torch.full((3, 64, 80), 0.5)] * 2
    with refused(ModelError, "frame-size"):
        list(model.talk(made.talk(wide)))


def test_files_are_loaded_and_told(files):
    a2e, render = files
    model = load(f"memface?a2e={a2e}&render={render}")
    facts = model.describe()
    network = model.speaker.network
    assert facts["parts"] == {
        A2E: parameters(network),
        "renderer": sum(value.numel() for value in model.renderer.parameters()),
    }
    assert facts["parameters"] == sum(facts["parts"].values())
    assert (facts["weights_status"], facts["sample_weights"], facts["published_size"]) == ("unverified", False, False)
    assert facts["weights_file"] == "a.safetensors + r.safetensors" and len(facts["weights_sha256"]) == 64
    conventions = facts["conventions"]
    assert conventions["memory"]["identity"] == "anna" and conventions["memory"]["slots"] == 4
    assert conventions["basis"].startswith("facemesh-3") and conventions["speech"].startswith("log-mel")
    torch.testing.assert_close(model.renderer.memory.patches, made.renderer().memory.patches)
    assert len(list(model.talk(made.talk(made.frames(5))))) == 5


def test_a_weights_folder_has_both_files_under_their_own_names(tmp_path):
    made.save_a2e(tmp_path / "memface-a2e.safetensors")
    made.save_render(tmp_path / "memface-no-explicit.safetensors", memory="none")
    model = load("memface-no-explicit", tmp_path)
    assert model.renderer.memory is None and "memory" not in model.describe()["conventions"]
    assert model.describe()["variant_of"] == "memface"


def test_another_persons_memory_takes_the_place(files, tmp_path):
    a2e, render = files
    other = made.save_render(tmp_path / "o.safetensors", seed=5)
    model = load(f"memface-other-memory?a2e={a2e}&render={render}&memory={other}")
    assert torch.equal(model.renderer.memory.patches, made.renderer(5).memory.patches)
    assert model.describe()["conventions"]["memory"]["swapped"] is True
    with refused(ModelError, "missing-option", "memory=FILE"):
        load(f"memface-other-memory?a2e={a2e}&render={render}")


def test_noise_takes_the_place_of_the_implicit_memory(files):
    a2e, render = files
    plain, noisy = (load(f"{name}?a2e={a2e}&render={render}") for name in ("memface", "memface-noise-memory"))
    assert not torch.equal(plain.speaker.network.memory.keys, noisy.speaker.network.memory.keys)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ("weights=x.pth", "unknown-option"),
        ("colour=red", "unknown-option"),
        ("a2e=missing.safetensors", "missing-file"),
        ("a2e={render}&render={render}", "other-network"),
        ("a2e={a2e}&render={a2e}", "other-network"),
        ("a2e={a2e}&render={render}&memory={a2e}", "other-network"),
        ("a2e={a2e}&render={render}&speech=hama", "other-network"),
        ("a2e={a2e}&render={render}&basis=mine.npz", "unused-option"),
        ("weights=untrained&speech=log-mel&a2e={a2e}", "unused-option"),
        ("weights=untrained&speech=log-mel&memory={render}", "unused-option"),
    ],
)
def test_what_does_not_fit_is_one_line(files, options, code):
    a2e, render = files
    with refused(ModelError, code):
        load("memface?" + options.format(a2e=a2e, render=render))


def _changed(file: Path, key: str, change: Callable[[Tensor], Tensor]) -> Path:
    with safe_open(file, "pt") as opened:
        facts = opened.metadata()
    tensors = load_file(file)
    out = file.with_name("changed.safetensors")
    save_file(tensors | {key: change(tensors[key])}, out, facts)
    return out


@pytest.mark.parametrize("option", ["render", "memory"])
def test_an_explicit_memory_has_a_key_a_patch_and_finite_ones(files, option):
    a2e, render = files
    whole = "" if option == "render" else f"&render={render}"
    for change, code in ((lambda keys: keys[:2].clone(), "other-network"), (lambda keys: keys / 0, "bad-value")):
        wrong = _changed(render, "renderer.memory.keys", change)
        with refused(ModelError, code):
            load(f"memface?a2e={a2e}{whole}&{option}={wrong}")


def test_networks_with_numbers_that_are_not_finite_are_refused(files):
    a2e, render = files
    keys = [key for key, value in load_file(a2e).items() if value.is_floating_point()]
    for key in (keys[0], keys[-1]):
        wrong = _changed(a2e, key, lambda value: torch.full_like(value, torch.nan))
        with refused(ModelError, "bad-value", key):
            load(f"memface?a2e={wrong}&render={render}")


def test_without_files_the_training_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    with refused(ModelError, "missing-weights", "train --model memface-n500"):
        load("memface-n500?a2e=" + str(made.save_a2e(tmp_path / "a.safetensors")))


def test_every_variant_is_listed():
    infos = {info.name: info for info in listing.names()}
    assert set(VARIANTS) <= infos.keys()
    assert all(infos[name].motion_modes == ("absolute",) for name in VARIANTS)
    assert all(VARIANTS[name].source for name in VARIANTS)


@pytest.mark.slow
def test_untrained_networks_have_the_published_numbers():
    model = load("memface?weights=untrained&speech=log-mel")
    facts = model.describe()
    first = model.speaker.network.config
    assert facts["published_size"] and facts["untrained"]
    assert facts["parts"][A2E] == 241_749 + (first.features - 64) * 64
    answers = list(model.talk(made.talk(made.frames(2))))
    assert len(answers) == 2 and np.isfinite(answers[0].numpy()).all()
