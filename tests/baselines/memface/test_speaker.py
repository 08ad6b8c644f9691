from __future__ import annotations

import numpy as np
import pytest
import torch

from baselines.facemesh.canonical import canonical
from baselines.memface.audio_to_expression import A2EConfig, AudioToExpression, stream
from baselines.memface.basis import MeshComponents
from baselines.memface.speaker import HeardSpeaker, between
from baselines.speech.feature import feature
from baselines.speech.log_mel import LogMel
from protocols.sound import Sound


def speaker() -> HeardSpeaker:
    torch.manual_seed(0)
    network = AudioToExpression(A2EConfig(26, 3, slots=9, window=8, width=16, dim=16, heads=2)).eval()
    meshes = canonical()[0] + np.random.default_rng(0).normal(size=(9, 468, 3))
    return HeardSpeaker(network, MeshComponents.fit([meshes], 3), LogMel())


def noise() -> Sound:
    return Sound((np.random.default_rng(1).normal(size=32000) * 2000).astype(np.int16), 16000)


def faces(times: np.ndarray) -> np.ndarray:
    return np.stack(list(speaker().faces(noise(), times, canonical()[0][None], "clip")))


def test_at_25_frames_a_second_faces_are_those_of_the_network():
    one, times = speaker(), np.arange(20) / 25
    rows = torch.from_numpy(LogMel().rows(noise(), times))
    coefficients = torch.cat(list(stream(one.network, [rows]))).double().numpy()
    np.testing.assert_allclose(faces(times), one.basis.vertices(coefficients, canonical()[0]), atol=1e-9)


@pytest.mark.parametrize("rate", [12.5, 30, 50])
def test_other_rates_show_the_same_face_at_the_same_time(rate):
    known, times = faces(np.arange(26) / 25), np.arange(round(rate)) / rate
    found = faces(times)
    assert len(found) == len(times)
    at = np.array([np.interp(times * 25, np.arange(26), known[:, 14, k]) for k in range(3)]).T
    np.testing.assert_allclose(found[:-8, 14], at[:-8], atol=0.2)  # windows end elsewhere near the end


def test_features_of_the_whole_clip_give_its_later_seconds_the_faces_of_their_own_rows(tmp_path):
    rows, one = LogMel().rows(noise(), np.arange(50) / 25), speaker()
    np.save(tmp_path / "clip.npy", rows)
    np.save(tmp_path / "later.npy", rows[25:])
    found = []
    for clip, begins in (("clip", 1.0), ("later", 0.0)):
        heard = HeardSpeaker(one.network, one.basis, feature(str(tmp_path)))
        found.append(np.stack(list(heard.faces(noise(), np.arange(20) / 25, canonical()[0][None], clip, begins))))
    np.testing.assert_allclose(*found, atol=1e-4)


def test_between_rows():
    rows = [np.array([float(k)]) for k in (0, 10, 20, 30)]
    found = [row.item() for row in between(iter(rows), np.array([0, 0.5, 0.9999999, 2.25, 3]))]
    np.testing.assert_allclose(found, [0, 5, 10, 22.5, 30])
    assert [row.item() for row in between(iter(rows[:1]), np.array([0.0]))] == [0]
