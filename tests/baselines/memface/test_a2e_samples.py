"""The first stage's sample checkpoints: what they are, and that they say better than a template what a mouth does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import baselines.memface
from baselines.facemesh.canonical import mouth
from baselines.memface import expression_file
from baselines.memface.audio_to_expression import parameters, stream
from baselines.memface.training.takes import take
from bench.runtime.config import cache_folder
from protocols import sound_set

HERE = Path(baselines.memface.__file__).parent
NAMES = ("a2e", "a2e-no-implicit")


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_says_what_it_is(name, tmp_path):
    file = HERE / f"{name}.safetensors"
    found = expression_file.read(file, tmp_path)
    assert file.stat().st_size < 2e6 and found.feature.name == "log-mel" and found.basis.name == "facemesh-32"
    assert found.checkpoint.facts["started_from"]["takes"][0]["clip"] == "talk_a"
    assert [one["clip"] for one in found.checkpoint.facts["takes"]] == ["talk_b"]
    card = file.with_suffix(".md").read_text()
    assert f"{parameters(found.network):,} learned numbers" in card
    assert found.checkpoint.facts["basis"] == found.basis.signature


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_sample_beats_the_templates_mouth_and_a_still_one(name):
    place, cache = sound_set.ensure(cache_folder()) / "talk_b", cache_folder()
    own, test = take(place, cache, 0.0, 3.8), take(place, cache, 3.8, 5.8)
    found = expression_file.read(HERE / f"{name}.safetensors", cache)
    rows = torch.from_numpy(found.feature.rows(test.sound, test.times))
    coefficients = torch.cat(list(stream(found.network, [rows]))).double().numpy()
    said = found.basis.vertices(coefficients, own.aligned.mean(0))

    def error(faces: np.ndarray) -> float:
        return float(np.sqrt(np.mean(np.square((faces - test.aligned)[:, mouth()]))))

    def gap(faces: np.ndarray) -> np.ndarray:
        return np.linalg.norm(faces[:, 13] - faces[:, 14], axis=1)

    template, still = own.aligned[: len(test.times)], np.repeat(own.aligned.mean(0)[None], len(test.times), 0)
    assert error(said) < 0.8 * min(error(template), error(still))
    lips = [np.corrcoef(gap(faces), gap(test.aligned))[0, 1] for faces in (said, template)]
    assert lips[0] > 0.6 > lips[1] + 0.3
