"""Files of trainings: their tensors and hashes."""

from __future__ import annotations

import hashlib
from pathlib import Path

from torch import Tensor

from baselines import checkpoints
from baselines.card import STATE_FILE
from baselines.predictor import ModelError
from baselines.unpickling import read_safely


def networks_of(path: Path) -> dict[str, Tensor]:
    """Return tensors by ``<network>.<key>`` of a checkpoint, or of a run's ``state.pt``."""
    if path.name == STATE_FILE:
        return read_safely(path).get("networks", {})
    states = checkpoints.load(path).states
    return {f"{name}.{key}": value for name, state in states.items() for key, value in state.items()}


def sha256(path: Path) -> str:
    """Return a file's SHA-256 in hex digits. Raises ModelError if it cannot be read."""
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}", code="unreadable-file") from None
