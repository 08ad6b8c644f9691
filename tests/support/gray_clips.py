"""Finished videos whose frames are plain gray and say their number by how bright they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from bench.run.command import RunSettings, run
from bench.run.score import Scored, settings_of
from bench.runtime import config
from support import finished_videos as made

DARKEST, STEP = 30, 6  # gray level of frame 0, and from one frame to the next
RATE = made.RATE


def frames(count: int, brighter: int = 0, size: tuple[int, int] = (64, 64)) -> list[np.ndarray]:
    """Frames 0 to `count` - 1, uint8 ``(height, width, 3)``. brighter: gray levels added to all."""
    return [np.full((*size, 3), DARKEST + STEP * number + brighter, np.uint8) for number in range(count)]


def number(level: float) -> int:
    """The number of the frame that has this gray level."""
    return round((level - DARKEST) / STEP)


def folders(root: Path, count: int = 30, sound: bool = True) -> list[Path]:
    """Three true clips with sound, and what two models made of them: one copies, one is 40 levels brighter.

    The third clip of the second model ends early, by a sixth of its frames.
    """
    heard = (8000 * np.sin(np.arange(count * 16000 // RATE) / 16000 * 2 * np.pi * 440)).astype(np.int16)[None]
    for clip in ("one", "two", "three"):
        made.write(root / "truth" / f"{clip}.mkv", frames(count), sound=heard if sound else None)
        made.write(root / "same" / f"{clip}.mkv", frames(count))
        made.write(root / "brighter" / f"{clip}.mkv", frames(count - count // 6 * (clip == "three"), 40))
    return [root / "truth", root / "same", root / "brighter"]


def score(root: Path, name: str = "r", **more: Any) -> Path:
    """Score the folders of `folders` that are in `root`; returns the run's folder. more: of `RunSettings`."""
    asked = Scored(root / "truth", [root / "same", root / "brighter"])
    plain = RunSettings(
        models=(), protocol="score", config=config.load((), None), out=root / "runs", name=name, workers=0, **more
    )
    settings = settings_of(asked, replace(plain, metrics=("l1", "psnr")), "native")
    directory, _ = run(settings, Console(quiet=True))
    return directory.path
