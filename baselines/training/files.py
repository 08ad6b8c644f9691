"""What a training leaves on the disk, and how it is told to stop."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from baselines import checkpoints
from baselines.predictor import ModelError

STATE_FILE = "state.pt"


def networks_of(path: Path) -> dict[str, Tensor]:
    """Tensors by ``<network>.<key>`` of a checkpoint, or of the ``state.pt`` of a run, finished or not."""
    if path.name == STATE_FILE:
        return checkpoints.read_safely(path).get("networks", {})
    states = checkpoints.load(path).states
    return {f"{name}.{key}": value for name, state in states.items() for key, value in state.items()}


def sha256(path: Path) -> str:
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from None


def atomically(path: Path, write: Callable[[Path], Any]) -> None:
    """The file appears whole or not at all."""
    temporary = path.with_name(path.name + ".part")
    write(temporary)
    os.replace(temporary, path)


class Interruption:
    """Notes Ctrl-C instead of raising it in the middle of a step; a second one is raised at once."""

    asked = False

    def __enter__(self) -> Interruption:
        # Only the main thread may set handlers; elsewhere Ctrl-C does not arrive anyway.
        self.previous = None
        if threading.current_thread() is threading.main_thread():
            self.previous = signal.signal(signal.SIGINT, self.note)
        return self

    def note(self, *_: Any) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def __exit__(self, *_: Any) -> None:
        if self.previous is not None:
            signal.signal(signal.SIGINT, self.previous)
