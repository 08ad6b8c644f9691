"""Faster ways to run a network: bfloat16 where it is accurate enough, and compiled code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

PRECISIONS = ("float32", "bfloat16")


def reduce_precision(network: nn.Module, exact: Sequence[str], device: torch.device) -> None:
    """Let ``network.generate`` compute in bfloat16 (autocast), except for the submodules at the paths `exact`.

    bfloat16 has 8 bits of precision: enough for features, far too few for coordinates. So keypoint detectors are
    outside of `generate`, and modules that compute the flow are exempt.
    """
    for path in exact:
        module = network.get_submodule(path)
        module.forward = _in_float32(module.forward, device.type)
    network.generate = torch.autocast(device.type, torch.bfloat16)(network.generate)


def compile_network(network: nn.Module, backend: str) -> None:
    """Compile ``network.generate`` with torch.compile, at its first call and for that size of frames."""
    generate: Any = network.generate  # torch's types do not know this method
    vars(network)["generate"] = torch.compile(generate, backend=backend, dynamic=False)


def in_float32(x: Tensor) -> bool:
    """Return whether a convolution of `x` on a CPU would compute in float32."""
    return x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")


def _in_float32(function: Callable[..., Any], device: str) -> Callable[..., Any]:
    exempt = torch.autocast(device, enabled=False)(function)

    def run(*arguments: Any) -> Any:
        return exempt(*(x.float() if isinstance(x, Tensor) and x.is_floating_point() else x for x in arguments))

    return run
