"""`inspect` of MemFace: its memories over slots and time, the stored mouths, what was retrieved."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support import memface_files as made
from support.refused import refused

from baselines import registry
from baselines.facemesh import mesh
from bench.inspection import input as inspection
from bench.inspection import memories
from bench.runtime.errors import UserError
from reports.inspection import page
from reports.inspection.memories import figures

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def faces(monkeypatch):
    monkeypatch.setattr(mesh, "find", made.find)


@pytest.fixture
def spec(tmp_path):
    files = made.save_a2e(tmp_path / "a.safetensors"), made.save_render(tmp_path / "r.safetensors")
    return "memface?a2e={}&render={}".format(*files)


def load(spec):
    return registry.load(spec, weights=None, device=CPU)


def test_attention_is_that_of_each_frame(spec):
    model = load(spec)
    talk = made.talk(made.frames(11, without=(3,)))
    seen = memories.record(model, talk, 6)
    assert seen.implicit.shape == (11, 8) and seen.explicit.shape == (10, 4)
    np.testing.assert_allclose(seen.implicit.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(seen.explicit.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(seen.weights, seen.explicit[5])  # one frame before has no face
    mixed = np.tensordot(seen.weights, seen.stored, 1)
    np.testing.assert_allclose(seen.retrieved, mixed, atol=1e-5)
    answers = list(model.talk(talk))
    np.testing.assert_allclose(seen.result, answers[6].permute(1, 2, 0).numpy(), atol=1e-6)
    rows = model.speaker.feature.rows(talk.sound, np.array(talk.times))
    network = model.speaker.network
    with torch.inference_mode():  # frames 4 to 7 are new in the second window, which begins at the clip's first
        window = network.memory.similarity(network.query(torch.from_numpy(rows[None, :8])))[0]
    np.testing.assert_allclose(seen.implicit[4:8], window[4:].numpy(), atol=1e-5)
    assert set(figures(seen)) == {"implicit", "stored", "explicit", "retrieved"}


def test_a_variant_without_memories_shows_what_it_draws(tmp_path):
    a2e = made.save_a2e(tmp_path / "a.safetensors", memory="none")
    render = made.save_render(tmp_path / "r.safetensors", memory="none")
    seen = memories.record(load(f"memface?a2e={a2e}&render={render}"), made.talk(made.frames(4)), None)
    assert seen.frame == 2 and seen.implicit is None and seen.explicit is None
    assert set(figures(seen)) == {"retrieved"}


def test_the_page_has_every_picture(spec, tmp_path, monkeypatch):
    monkeypatch.setattr(memories, "of_sound_set", lambda cache: made.talk(made.frames(6)))
    written = inspection.inspect_models([spec], inspection.InspectSettings(frame=1), None, CPU, tmp_path / "out")
    text = written.read_text()
    assert text.count("<svg") == 4 and "unverified weights" in text
    assert len(list((tmp_path / "out").glob("*.png"))) == 4
    assert page.CAPTIONS.keys().isdisjoint({"implicit", "stored", "explicit", "retrieved"})


def test_mistakes_are_one_line(spec, monkeypatch, tmp_path):
    monkeypatch.setattr(memories, "of_sound_set", lambda cache: made.talk(made.frames(6, without=(2,))))
    for chosen, code in (
        (inspection.InspectSettings(frame=6), "unknown-frame"),
        (inspection.InspectSettings(frame=2), "no-face"),
        (inspection.InspectSettings(clip="x"), "unused-option"),
    ):
        with refused(UserError, code):
            inspection.inspect_models([spec], chosen, None, CPU, tmp_path / "out")
