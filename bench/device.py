"""The device that a command works on."""

from __future__ import annotations

import torch

from baselines.predictor import default_device
from bench.errors import UserError


def choose(name: str | None) -> torch.device:
    """The named device, or the first GPU where there is one. Raises UserError for one that cannot be used."""
    if name is None:
        return default_device()
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"--device {name} cannot be used: {str(error).splitlines()[0]}") from None
    return device
