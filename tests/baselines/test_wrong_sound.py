"""The bound that pastes the template's mouth into the true frame."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage import data

from baselines import registry
from baselines.facemesh import mesh
from baselines.facemesh.canonical import OUTER_LIPS
from baselines.predictor import PairBatch
from baselines.wrong_sound import NO_FACE, pasted, similarity


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    return np.ascontiguousarray(data.astronaut()[:256, 96:352])


@given(
    st.floats(-3, 3),
    st.floats(0.2, 5),
    st.tuples(st.floats(-50, 50), st.floats(-50, 50)),
    st.integers(0, 1000),
)
def test_a_similarity_is_found_again(angle, scale, shift, seed):
    points = np.random.default_rng(seed).uniform(0, 100, (12, 2))
    matrix = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    found = similarity(points, points @ matrix.T + shift)
    assert found == pytest.approx(np.column_stack([matrix, shift]), abs=1e-6)


def test_only_the_mouth_changes_and_it_is_the_templates(face):
    lips = mesh.find(face)[list(OUTER_LIPS), :2]
    (left, top), (right, bottom) = lips.min(0).round().astype(int), lips.max(0).round().astype(int)
    marked = face.copy()
    marked[top:bottom, left:right, 1] = np.minimum(marked[top:bottom, left:right, 1].astype(int) + 40, 255)
    moved = np.roll(marked, (5, 9), (0, 1))  # the template's head is elsewhere
    frame = pasted(moved, face)
    assert not isinstance(frame, str) and frame.dtype == np.float32 and frame.shape == face.shape
    change = np.abs(frame * 255 - face)
    middle = (slice(top + 4, bottom - 4), slice(left + 8, right - 8), 1)
    assert abs((frame[middle] * 255 - marked[middle]).mean()) < 6
    assert change[middle].mean() > 25
    width = right - left
    assert change[: top - width].max() < 0.01 and change[bottom + width :].max() < 0.01
    assert change[:, : left - width].max() < 0.01 and change[:, right + width :].max() < 0.01


def test_a_frame_with_its_own_mouth_stays(face):
    frame = pasted(face, face)
    assert not isinstance(frame, str)
    assert np.abs(frame * 255 - face).max() < 1


def test_a_frame_without_a_face_is_nan_with_its_reason(face):
    bound = registry.load("wrong-sound", weights=None, device=torch.device("cpu"))
    there = torch.from_numpy(face).permute(2, 0, 1) / 255
    blank = torch.full_like(there, 0.5)
    driving = torch.zeros(3, *there.shape)  # which it does not look at where there is a target
    batch = PairBatch(("a", "b", "c"), torch.stack([there, blank, there]), driving, torch.stack([there, there, blank]))
    frames = bound.predict(batch, "absolute")
    assert (frames[0] - there).abs().max() < 1 / 255
    assert frames[1:].isnan().all()
    assert [bound.why_missing(pair) for pair in batch.ids] == [
        None,
        NO_FACE.format("template's"),
        NO_FACE.format("true"),
    ]
