from __future__ import annotations

import wave
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from baselines.errors import ModelError
from baselines.facemesh.canonical import canonical, mouth
from baselines.memface import bases, expression_file
from baselines.memface.audio_to_expression import A2EConfig, AudioToExpression, stream
from baselines.memface.training import a2e, takes
from baselines.memface.training.loop import train
from baselines.memface.training.takes import Take
from baselines.speech.log_mel import LogMel
from protocols.sound import Sound

SMALL = A2EConfig(features=26, coefficients=3, slots=20, window=16, width=16, dim=16, heads=2, dropout=0.0)


def spoken(frames: int = 60, seed: int = 0) -> Take:
    """A mouth that opens with the loudness of noise."""
    rng = np.random.default_rng(seed)
    loud = np.clip(np.convolve(rng.normal(size=frames + 8), np.ones(9) / 3, "valid"), 0, 2)
    samples = (rng.normal(size=frames * 640) * np.repeat(loud, 640) * 2000).astype(np.int16)
    aligned = np.repeat(canonical()[0][None], frames, 0) + rng.normal(size=(frames, 468, 3)) * 0.001
    aligned[:, [14, 17, 84, 314], 1] += loud[:, None]
    return Take(f"clip{seed}", aligned, np.ones(frames, bool), np.arange(frames) / 25, Sound(samples, 16000))


def stage(one: Take, recipe: a2e.A2ERecipe = a2e.PUBLISHED, config: A2EConfig = SMALL, **settings) -> a2e.A2EStage:
    torch.manual_seed(0)
    basis = bases.fitted("facemesh", [one.aligned], None, 3)  # type: ignore[arg-type]  (nothing is fetched)
    return a2e.A2EStage("memface-a2e", AudioToExpression(config), basis, LogMel(), [one], recipe, **settings)


def test_it_learns_what_a_mouth_does_to_a_sound(tmp_path):
    one = spoken(150)
    made = stage(one, replace(a2e.SHORT, rate=3e-3, mirror=False))
    file = train(made, out=tmp_path, steps=100, seed=0, save_every=200)
    found = expression_file.read(file, tmp_path)
    rows = torch.from_numpy(found.feature.rows(one.sound, one.times))
    coefficients = torch.cat(list(stream(found.network, [rows]))).numpy()
    gap = found.basis.vertices(coefficients, found.basis.person(one.aligned))[:, 14, 1]
    assert np.corrcoef(gap, one.aligned[:, 14, 1])[0, 1] > 0.9
    facts = found.checkpoint.facts
    assert facts["takes"][0]["clip"] == "clip0" and facts["recipe"]["rate"] == 3e-3 and facts["seed"] == 0


def test_a_training_that_was_broken_off_goes_on_to_the_same_end(tmp_path, monkeypatch):
    one = spoken()
    whole = train(stage(one, a2e.SHORT), out=tmp_path / "a", steps=8, seed=1, save_every=3)
    broken, step = stage(one, a2e.SHORT), a2e.A2EStage.step
    monkeypatch.setattr(broken, "step", lambda n, *rest: step(broken, n, *rest) if n < 5 else 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train(broken, out=tmp_path / "b", steps=8, seed=1, save_every=3)
    again = train(stage(one, a2e.SHORT), out=tmp_path / "b", steps=8, seed=1, save_every=3)
    one_file, other = load_file(whole), load_file(again)
    assert all(torch.equal(one_file[key], other[key]) for key in one_file)


def test_network_and_memory_take_turns_in_the_first_half():
    made = stage(spoken())
    moved = []
    for number in range(4):
        before = {key: value.clone() for key, value in made.network.state_dict().items()}
        made.step(number, torch.Generator().manual_seed(number), number / 4)
        after = made.network.state_dict()
        changed = {key for key in before if not torch.equal(before[key], after[key])}
        memory = {"memory.keys", "memory.values"}
        moved.append((bool(changed & memory), bool(changed - memory)))
    assert moved == [(False, True), (True, False), (True, True), (True, True)]


def test_without_a_memory_every_step_is_the_networks():
    made = stage(spoken(), config=replace(SMALL, memory="none"))
    losses = made.step(1, torch.Generator().manual_seed(0), 0.0)
    assert set(made.optimizers) == {"network"} and set(losses) == {"coefficients", "vertices"}


def test_an_explicit_memory_holds_the_takes_and_is_rebuilt_for_others():
    config = replace(SMALL, memory="explicit")
    one, other = spoken(), spoken(seed=1)
    made = stage(one, a2e.SHORT, config)
    assert made.network.memory.keys.shape == (20, 26)
    before = made.network.memory.keys.clone()
    adapted = a2e.A2EStage("a", made.network, made.basis, LogMel(), [other], a2e.SHORT, started_from={})
    rows = torch.from_numpy(LogMel().rows(other.sound, other.times))
    assert not torch.equal(adapted.network.memory.keys, before)
    torch.testing.assert_close(adapted.network.memory.keys[0], rows[0])


def test_adaptation_keeps_what_features_are_measured_against():
    made = stage(spoken())
    mean = made.network.mean.clone()
    assert mean.abs().sum() > 0
    a2e.A2EStage("a", made.network, made.basis, LogMel(), [spoken(seed=1)], a2e.SHORT_ADAPTATION, started_from={})
    assert torch.equal(made.network.mean, mean)


def test_frames_without_a_face_teach_nothing():
    one = spoken()
    hidden = replace(one, seen=np.arange(60) < 30, aligned=np.where(np.arange(60)[:, None, None] < 30, one.aligned, 99))
    torch.manual_seed(0)
    basis = bases.fitted("facemesh", [one.aligned], None, 3)  # type: ignore[arg-type]
    made = a2e.A2EStage("a", AudioToExpression(SMALL), basis, LogMel(), [hidden], a2e.SHORT)
    losses = made.step(0, torch.Generator().manual_seed(0), 0.0)
    assert losses["vertices"] < 20


def test_another_basis_is_refused():
    with pytest.raises(ModelError) as error:
        stage(spoken(), config=replace(SMALL, coefficients=4))
    assert error.value.code == "other-network"


def test_a_mirror_is_its_own_inverse_and_keeps_the_mouth():
    points = takes.mirror()
    assert np.array_equal(points[points], np.arange(468)) and set(points[mouth()]) == set(mouth())
    one = spoken(3)
    np.testing.assert_allclose(one.mirrored().mirrored().aligned, one.aligned)
    np.testing.assert_allclose(one.mirrored().aligned.mean(0), canonical()[0], atol=0.8)


def clip(folder, frames=10, sound=True):
    place = folder / "talk"
    place.mkdir()
    for k in range(frames):
        Image.new("RGB", (64, 64), (k, 0, 0)).save(place / f"{k:03d}.png")
    if sound:
        with wave.open(str(folder / "talk.wav"), "wb") as written:
            written.setnchannels(1)
            written.setsampwidth(2)
            written.setframerate(16000)
            written.writeframes(np.arange(frames * 640, dtype="<i2").tobytes())
    return place


def found(frame):
    """A face whose lower lip is as low as the picture is red; none where that is 4."""
    level = int(frame[0, 0, 0])
    moved = (np.arange(468) == 14)[:, None] * (0, level, 0)
    return None if level == 4 else canonical()[0] * 3 + moved


def test_a_take_is_a_stretch_on_one_clock(tmp_path, monkeypatch):
    monkeypatch.setattr(takes.mesh, "find", found)
    place = clip(tmp_path)
    one = takes.take(place, tmp_path / "cache", 0.08, 0.36)
    assert len(one.times) == 7 and one.times[0] == 0.08 and one.clip == "talk"
    assert one.sound.start == 0.08 and one.sound.samples[0] == 1280 and len(one.sound.samples) == 7 * 640
    assert one.seen.tolist() == [True, True, False, True, True, True, True]
    lips = one.aligned[:, 14, 1]
    np.testing.assert_allclose(lips[2], (lips[1] + lips[3]) / 2, atol=1e-6)
    monkeypatch.setattr(takes.mesh, "find", None)  # kept in the cache
    assert takes.take(place, tmp_path / "cache", 0.08, 0.36).sha256 == one.sha256


def test_frames_are_read_in_the_order_of_their_numbers_and_without_a_gap(tmp_path):
    for number in (8, 9, 10, 12):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / f"f_{number}.png")
    with pytest.raises(ModelError) as error:
        list(takes.frames_of(tmp_path))
    assert error.value.code == "frame-gap" and str(tmp_path) in str(error.value) and " 11;" in str(error.value)
    (tmp_path / "f_12.png").rename(tmp_path / "f_11.png")
    assert [(time, frame[0, 0, 0]) for time, frame in takes.frames_of(tmp_path)] == [
        (k / 25, red) for k, red in enumerate((8, 9, 10, 12))
    ]


def test_clips_that_cannot_be_learned_from(tmp_path, monkeypatch):
    monkeypatch.setattr(takes.mesh, "find", lambda frame: None)
    with pytest.raises(ModelError) as error:
        takes.take(tmp_path / "none", tmp_path)
    assert error.value.code == "unknown-clip"
    place = clip(tmp_path, sound=False)
    with pytest.raises(ModelError) as error:
        takes.take(place, tmp_path)
    assert error.value.code == "no-sound"
    (tmp_path / "talk.wav").write_text("text")
    with pytest.raises(ModelError) as error:
        takes.take(place, tmp_path)
    assert error.value.code == "unreadable-sound"
    (tmp_path / "other").mkdir()
    other = clip(tmp_path / "other")
    with pytest.raises(ModelError) as error:
        takes.take(other, tmp_path)
    assert error.value.code == "no-face"
