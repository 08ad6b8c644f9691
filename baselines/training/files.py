"""What a training leaves on the disk."""

from __future__ import annotations

import hashlib
from pathlib import Path

from torch import Tensor

from baselines import checkpoints
from baselines.card import STATE_FILE
from baselines.predictor import ModelError
from baselines.unpickling import read_safely


def networks_of(path: Path) -> dict[str, Tensor]:
    """Tensors by ``<network>.<key>`` of a checkpoint, or of the ``state.pt`` of a run, finished or not."""
    if path.name == STATE_FILE:
        return read_safely(path).get("networks", {})
    states = checkpoints.load(path).states
    return {f"{name}.{key}": value for name, state in states.items() for key, value in state.items()}


def sha256(path: Path) -> str:
    """Hash a file, as lower-case hex digits. Raises ModelError where it cannot be read."""
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}", code="unreadable-file") from None
