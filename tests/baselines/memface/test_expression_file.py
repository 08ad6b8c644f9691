from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from baselines.checkpoints import save_states
from baselines.errors import ModelError
from baselines.facemesh.canonical import canonical
from baselines.memface import expression_file
from baselines.memface.audio_to_expression import A2EConfig, AudioToExpression
from baselines.memface.basis import MeshComponents
from baselines.speech.feature import feature
from baselines.speech.log_mel import LogMel
from protocols.sound import Sound

SMALL = A2EConfig(features=26, coefficients=3, slots=9, window=8, width=16, dim=16, heads=2)


def basis() -> MeshComponents:
    return MeshComponents.fit([canonical()[0] + np.random.default_rng(0).normal(size=(9, 468, 3))], 3)


def written(path, config=SMALL, heard=None, half=False, **changes):
    torch.manual_seed(0)
    network = AudioToExpression(config)
    states: dict = {"network": {}, "basis": {}}
    for key, value in expression_file.tensors(network, basis(), half).items():
        part, _, name = key.partition(".")
        states[part][name] = value
    about = expression_file.config(network, basis(), heard or LogMel()) | changes
    save_states(path, "memface-a2e", states, about, {"seed": 3})
    return network


def test_a_file_gives_the_same_network_basis_and_feature(tmp_path):
    network = written(tmp_path / "a.safetensors").eval()
    found = expression_file.read(tmp_path / "a.safetensors", tmp_path)
    speech = torch.randn(1, 8, 26)
    torch.testing.assert_close(found.network(speech), network(speech))
    assert found.network.config == SMALL and found.feature.name == "log-mel" and found.checkpoint.facts["seed"] == 3
    assert found.basis.signature == basis().signature


def test_half_precision_is_small_and_near(tmp_path):
    network = written(tmp_path / "a.safetensors").eval()
    written(tmp_path / "b.safetensors", half=True)
    whole, half = ((tmp_path / f"{name}.safetensors").stat().st_size for name in "ab")
    assert half < 0.75 * whole
    speech = torch.randn(1, 8, 26)
    found = expression_file.read(tmp_path / "b.safetensors", tmp_path).network(speech)
    torch.testing.assert_close(found, network(speech), atol=0.02, rtol=0.02)


def test_an_explicit_memory_has_as_many_pairs_as_it_was_given(tmp_path):
    config = replace(SMALL, memory="explicit")
    written(tmp_path / "a.safetensors", config)
    assert len(expression_file.read(tmp_path / "a.safetensors", tmp_path).network.memory.keys) == 9


def test_the_memory_can_be_set_to_noise(tmp_path):
    written(tmp_path / "a.safetensors")
    one, same = (expression_file.read(tmp_path / "a.safetensors", tmp_path, forget=1).network for _ in range(2))
    kept = expression_file.read(tmp_path / "a.safetensors", tmp_path).network
    assert torch.equal(one.memory.keys, same.memory.keys) and not torch.equal(one.memory.keys, kept.memory.keys)
    written(tmp_path / "b.safetensors", replace(SMALL, memory="none"))
    with pytest.raises(ModelError) as error:
        expression_file.read(tmp_path / "b.safetensors", tmp_path, forget=1)
    assert error.value.code == "other-network"


def test_features_of_files_are_asked_for_again(tmp_path):
    np.save(tmp_path / "f.npy", np.ones((30, 26), np.float32))
    heard = feature(str(tmp_path / "f.npy"))
    written(tmp_path / "a.safetensors", heard=heard)
    found = expression_file.read(tmp_path / "a.safetensors", tmp_path, speech=str(tmp_path / "f.npy"))
    assert found.feature.signature == heard.signature
    np.save(tmp_path / "g.npy", np.ones((30, 27), np.float32))
    other = str(tmp_path / "g.npy")
    for given, code in ((None, "missing-option"), ("log-mel", "other-network"), (other, "bad-value")):
        with pytest.raises(ModelError) as error:
            expression_file.read(tmp_path / "a.safetensors", tmp_path, speech=given)
        assert error.value.code == code


def test_features_of_files_have_the_rate_that_the_network_was_trained_with(tmp_path):
    rows = np.random.default_rng(0).normal(size=(100, 26)).astype(np.float32)
    np.save(tmp_path / "f.npy", rows)
    written(tmp_path / "a.safetensors", heard=feature(str(tmp_path / "f.npy"), 50.0))
    found = expression_file.read(tmp_path / "a.safetensors", tmp_path, speech=str(tmp_path / "f.npy")).feature
    heard = found.rows(Sound(np.zeros(32000, np.int16), 16000), np.arange(50) / 25)
    np.testing.assert_allclose(heard, rows[::2], atol=1e-6)


@pytest.mark.parametrize("changes", [{"network": {"heads": 3}}, {"network": {"layers": 2}}, {"network": {"window": 8}}])
def test_other_networks_are_refused(tmp_path, changes):
    written(tmp_path / "a.safetensors", **changes)
    with pytest.raises(ModelError) as error:
        expression_file.read(tmp_path / "a.safetensors", tmp_path)
    assert error.value.code == "other-network" and "\n" not in str(error.value)


def test_another_models_file_is_refused(tmp_path):
    save_states(tmp_path / "a.safetensors", "fomm", {"kp": {"w": torch.ones(2)}}, {}, {})
    with pytest.raises(ModelError) as error:
        expression_file.read(tmp_path / "a.safetensors", tmp_path)
    assert error.value.code == "other-network"
