"""Small synthetic clips: a bright disc that wanders over a gradient, another one for each clip."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from baselines.training.loop import train
from baselines.training.run import Run
from baselines.training.settings import TrainSettings


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("clips")
    y, x = np.mgrid[:64, :64]
    for name, color in {"a": (230, 120, 90), "b": (80, 160, 220)}.items():
        (root / name).mkdir()
        for i in range(4):
            frame = np.stack([2 * x + 40, 2 * y + 60, np.full_like(x, 90)], axis=-1).astype(np.uint8)
            frame[(x - 20 - 5 * i) ** 2 + (y - 30) ** 2 < 120] = color
            Image.fromarray(frame).save(root / name / f"{i:07d}.png")
    return root


@pytest.fixture
def interrupted_after_one(monkeypatch: pytest.MonkeyPatch) -> Callable[[TrainSettings], Path]:
    """Trains, is interrupted after the first step, and resumes from what was saved; gives the checkpoint."""
    advance = Run.advance

    def stop(run: Run) -> None:
        if run.step == 1:
            raise KeyboardInterrupt
        advance(run)

    def call(settings: TrainSettings) -> Path:
        with monkeypatch.context() as patched:
            patched.setattr(Run, "advance", stop)
            with pytest.raises(KeyboardInterrupt):
                train(settings)
        return train(settings)

    return call


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
