"""The device that a command works on."""

from __future__ import annotations

import torch

from baselines.arithmetic import exact
from baselines.predictor import default_device
from bench.runtime.errors import UserError


def choose(name: str | None) -> torch.device:
    """The named device, or the first GPU where there is one, with this process set to compute in full float32.

    Raises UserError for one that cannot be used.
    """
    exact()
    if name is None:
        return default_device()
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()  # `meta` has tensors, but nothing in them
    except (RuntimeError, AssertionError, ImportError) as error:  # torch imports some kinds of devices when asked
        reason = str(error).partition(". ")[0].splitlines()[0]
        raise UserError(f"--device {name} cannot be used: {reason}", code="no-such-device") from None
    return device


def pairs_at_a_time(device: torch.device) -> int:
    """The size of a batch where none was asked for. On a CPU one for every core, and more where that is but a few."""
    return 16 if device.type == "cuda" else max(4, torch.get_num_threads())
