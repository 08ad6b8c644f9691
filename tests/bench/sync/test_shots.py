"""Cuts where PySceneDetect 0.5.1 finds them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from bench.sync.shots import Shots


def scene(seed: int) -> Iterator[np.ndarray]:
    """120 frames; now and then colors and light change."""
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
    for _ in range(120):
        if rng.random() < 0.15:
            changed = base * rng.uniform(0.3, 1.6) + rng.integers(-60, 60, 3)
            base = np.clip(changed, 0, 255).astype(np.uint8)
        yield np.clip(base.astype(int) + rng.integers(-9, 10, base.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("seed", "expected"), [(0, [37, 67, 82, 114]), (1, [7, 22, 41, 56, 74, 94]), (2, [6, 36, 67, 101, 118])]
)
def test_cuts_are_those_of_the_package(seed: int, expected: list[int]) -> None:
    shots = Shots()
    assert [k for k, frame in enumerate(scene(seed)) if shots.cuts(frame)] == expected


def test_wide_frames_are_thinned_out() -> None:
    shots, frame = Shots(), np.zeros((100, 900, 3), np.uint8)
    striped = frame.copy()
    striped[:, 1::4] = striped[:, 2::4] = striped[:, 3::4] = 255  # every fourth column is looked at
    assert not any(shots.cuts(one) for one in (frame, striped, frame))
    assert shots.cuts(255 - frame)
