"""What a training leaves on the disk, and how it is told to stop."""

from __future__ import annotations

import hashlib
import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from torch import Tensor

from baselines import checkpoints
from baselines.predictor import ModelError
from baselines.unpickling import read_safely

STATE_FILE = "state.pt"


def networks_of(path: Path) -> dict[str, Tensor]:
    """Tensors by ``<network>.<key>`` of a checkpoint, or of the ``state.pt`` of a run, finished or not."""
    if path.name == STATE_FILE:
        return read_safely(path).get("networks", {})
    states = checkpoints.load(path).states
    return {f"{name}.{key}": value for name, state in states.items() for key, value in state.items()}


def sha256(path: Path) -> str:
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from None


class Interruption:
    """Notes Ctrl-C and SIGTERM instead of ending in the middle of a step; a second one ends it at once."""

    asked = 0  # the signal that came

    def __enter__(self) -> Interruption:
        # Only the main thread may set handlers; elsewhere signals do not arrive anyway.
        here = threading.current_thread() is threading.main_thread()
        numbers = (signal.SIGINT, signal.SIGTERM) if here else ()
        self.previous = {number: signal.signal(number, self.note) for number in numbers}
        return self

    def note(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            self.end(frame)
        self.asked = number

    def end(self, frame: FrameType | None = None) -> NoReturn:
        """Do what would have been done with the signal; KeyboardInterrupt where that is nothing or none came here."""
        handler = self.previous.get(self.asked)
        if callable(handler):
            handler(self.asked, frame)
        raise KeyboardInterrupt

    def __exit__(self, *_: Any) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)
