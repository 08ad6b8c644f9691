"""Where weight files lie, and their hashes."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from torch import Tensor

from baselines.checkpoints import load_flat
from baselines.predictor import ModelError
from bench.runtime.errors import UserError


def find_file(name: str, weights: Path | None) -> Path | None:
    """A weight file by its published name: in the weights folder, one level below it, or in torch's own folder."""
    candidates = [weights / name, *sorted(weights.glob(f"*/{name}"))] if weights else []
    return next((file for file in [*candidates, torch_folder() / name] if file.is_file()), None)


def torch_folder() -> Path:
    """``$TORCH_HOME/hub/checkpoints``, where torch and the libraries around it look for weights."""
    default = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "torch"
    return Path(os.environ.get("TORCH_HOME", default)).expanduser() / "hub" / "checkpoints"


def package_folder(package: str) -> Path | None:
    """The folder of an installed package, found without importing it; None where it is not installed."""
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else None


def load(file: Path, device: str = "cpu") -> dict[str, Tensor]:
    """The state dict in a torch file, whatever wraps it; nothing in the file is executed.

    Raises UserError for any other file.
    """
    try:
        return load_flat(file, device)[0]
    except ModelError as error:
        raise UserError(str(error), code=error.code) from None
