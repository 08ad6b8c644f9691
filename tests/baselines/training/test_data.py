"""Training frames and their augmentation."""

from __future__ import annotations

import colorsys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support.refused import refused

from baselines.predictor import ModelError
from baselines.training.data import Augmentation, TrainingFrames, augment, shift_hue

PLAIN = Augmentation(shared=0, own=0, color=0)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_batch_pairs_two_frames_of_one_clip(clips: Path) -> None:
    data = TrainingFrames(clips)
    assert len(data) == 8 and data.ranges == [(0, 4), (4, 8)]
    source, driving = data.batch(16, 64, rng(), PLAIN)
    assert source.shape == driving.shape == (16, 3, 64, 64)
    known = data.frames.float() / 255
    for a, b in zip(source, driving):
        found = [
            [i for i, frame in enumerate(known) if min((x - y).abs().max() for y in (frame, frame.flip(2))) < 1e-5]
            for x in (a, b)
        ]
        (first,), (second,) = found
        assert first != second and first // 4 == second // 4


def test_batches_depend_on_the_generator_alone(clips: Path) -> None:
    data = TrainingFrames(clips)
    for a, b in zip(data.batch(4, 32, rng(3), Augmentation()), data.batch(4, 32, rng(3), Augmentation())):
        assert torch.equal(a, b) and a.min() >= 0 and a.max() <= 1 and a.shape == (4, 3, 32, 32)
    assert not torch.equal(data.batch(4, 32, rng(3), PLAIN)[0], data.batch(4, 32, rng(4), PLAIN)[0])


def test_shared_motion_moves_both_frames_alike_and_own_motion_does_not() -> None:
    frames = torch.rand(4, 3, 32, 32, generator=rng())
    a, b, *_ = augment(frames, frames, rng(1), replace(Augmentation(), shared=1.0, own=0.0))
    assert torch.equal(a, b) and not torch.allclose(a, frames, atol=0.05)
    a, b, *_ = augment(frames, frames, rng(1), replace(PLAIN, own=1.0))
    assert not torch.allclose(a, b, atol=0.05)


def test_the_hash_follows_pixels_and_names(clips: Path, tmp_path: Path) -> None:
    first, again, part = TrainingFrames(clips), TrainingFrames(clips), TrainingFrames(clips, ["b"])
    assert first.sha256 == again.sha256 != part.sha256
    assert part.ranges == [(0, 4)]


def test_unusable_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no clip"):
        TrainingFrames(tmp_path / "missing")
    (tmp_path / "clip").mkdir()
    for i, size in enumerate([(8, 8), (8, 9)]):
        Image.fromarray(np.zeros((*size, 3), np.uint8)).save(tmp_path / "clip" / f"{i}.png")
    with refused(ModelError, "frame-sizes-differ"):
        TrainingFrames(tmp_path)


def test_the_hue_is_shifted_as_colorsys_does() -> None:
    frames = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(1))
    frames[0, :, 0, 0] = 0.4  # gray stays gray
    frames[1, :, 0, 0] = torch.tensor([0.7, 0.7, 0.2])  # two largest channels
    shifted = shift_hue(frames, torch.tensor([0.08, -0.3]).view(2, 1, 1))
    for number, turns in enumerate((0.08, -0.3)):
        for before, after in zip(frames[number].flatten(1).T, shifted[number].flatten(1).T):
            hue, saturation, value = colorsys.rgb_to_hsv(*before.tolist())
            expected = colorsys.hsv_to_rgb((hue + turns) % 1, saturation, value)
            assert after.tolist() == pytest.approx(expected, abs=1e-5)
    assert torch.allclose(shift_hue(frames, torch.zeros(2, 1, 1)), frames, atol=1e-6)
