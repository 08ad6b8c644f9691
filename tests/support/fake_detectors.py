"""Detectors that misbehave for marked frames. Without heavy imports: worker processes load this file."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

HANG, EXIT, CRASH, RAISE, SLOW, WAIT, MEMORY = 1, 2, 3, 4, 5, 6, 7  # a frame's first value
SOUND = 10  # and above: nothing happens


class Found(NamedTuple):
    values: np.ndarray | None
    reason: str | None = None


class Brightness:
    """Sixty-eight points at the mean brightness of the frame."""

    kind, name, proxy, shape, signature = "landmarks", "dlib68", True, (68, 2), "brightness"

    def __init__(self, folder: Path | None = None) -> None:
        """`folder`: where a line is left for each frame that is looked at, and where WAIT waits for a file `go`."""
        self.folder = folder

    def detect(self, frames: np.ndarray) -> list[Found]:
        return [self._one(frame) for frame in frames]

    def _one(self, frame: np.ndarray) -> Found:
        mark = frame.flat[0]
        if self.folder:
            with open(self.folder / "seen", "a", encoding="utf-8") as stream:
                stream.write(f"{mark}\n")
        if mark == HANG:
            time.sleep(600)
        if mark == EXIT:
            os._exit(3)
        if mark == CRASH:
            os.kill(os.getpid(), signal.SIGSEGV)
        if mark == RAISE:
            raise ValueError("no\nidea")
        if mark == MEMORY:
            raise MemoryError
        if mark == SLOW:
            time.sleep(0.3)
        while mark == WAIT and not (self.folder / "go").exists():
            time.sleep(0.01)
        return Found(np.full((68, 2), frame.mean()))


class Sum:
    """What a worker makes of the derived detector of the tests."""

    def derive_all(self, values: np.ndarray, frames: np.ndarray) -> list[Found]:
        return [Found(np.full(3, one.sum() + frame.sum())) for one, frame in zip(values, frames)]


class Unloadable:
    """Cannot be made in a worker."""

    kind, name, proxy, shape, signature = "landmarks", "dlib68", True, (68, 2), "unloadable"

    def __setstate__(self, state: dict) -> None:
        raise ImportError("lost")

    def __getstate__(self) -> dict:
        return {"some": "state"}


class Fatal:
    """Ends the process that it is made in."""

    kind, name, proxy, shape, signature = "landmarks", "dlib68", True, (68, 2), "fatal"

    def __reduce__(self) -> tuple:
        return os._exit, (3,)
