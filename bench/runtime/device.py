"""The torch device of a command."""

from __future__ import annotations

import torch

from baselines.arithmetic import exact
from baselines.predictor import default_device
from bench.runtime.errors import UserError


def choose(name: str | None) -> torch.device:
    """Return the named device, or else the first GPU or the CPU, and set this process to full float32.

    Raises UserError for a device that cannot be used.
    """
    exact()
    if name is None:
        return default_device()
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()  # tensors on `meta` have no values
    except (RuntimeError, AssertionError, ImportError) as error:  # torch imports some device types on demand
        reason = str(error).partition(". ")[0].splitlines()[0]
        raise UserError(f"--device {name} cannot be used: {reason}", code="no-such-device") from None
    return device


def pairs_at_a_time(device: torch.device) -> int:
    """Return the default batch size: on a CPU one per core, at least 4."""
    return 16 if device.type == "cuda" else max(4, torch.get_num_threads())
