"""Paths and hashes of weight files."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from torch import Tensor

from baselines.checkpoints import load_flat
from baselines.predictor import ModelError
from bench.runtime.errors import UserError


def find_file(name: str, weights: Path | None) -> Path | None:
    """Find a weight file by its published name: in the weights folder, one level below it, or in torch's folder."""
    candidates = [weights / name, *sorted(weights.glob(f"*/{name}"))] if weights else []
    return next((file for file in [*candidates, torch_folder() / name] if file.is_file()), None)


def torch_folder() -> Path:
    """Return ``$TORCH_HOME/hub/checkpoints``, torch's folder for weights."""
    default = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "torch"
    return Path(os.environ.get("TORCH_HOME", default)).expanduser() / "hub" / "checkpoints"


def package_folder(package: str) -> Path | None:
    """Return the folder of an installed package without importing it; None if it is not installed."""
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else None


def load(file: Path, device: str = "cpu") -> dict[str, Tensor]:
    """Read the state dict in a torch file, in any wrapper; no code in the file is executed.

    Raises UserError for any other file.
    """
    try:
        return load_flat(file, device)[0]
    except ModelError as error:
        raise UserError(str(error), code=error.code) from None
