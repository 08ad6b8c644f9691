"""What makes a network faster on a CPU, behind one call."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from baselines.cpu.layers import replace_convolutions
from baselines.cpu.memoize import forget as forget
from baselines.cpu.memoize import memoize


def accelerate(network: nn.Module, exact: Iterable[str] = (), shared: Iterable[str] = ()) -> None:
    """Prepare a network in evaluation mode for a CPU, one pair at a time: the same numbers up to rounding.

    exact: submodules that keep their plain form, because what follows amplifies rounding; ``""`` is all of it.
    shared: functions of one frame, such as ``detect`` or ``generator.encode``, that are computed once for all pairs
    that have the frame in common: `baselines.cpu.memoize`.
    Layers work with kernels derived from the weights here, and do not see what is written to those later.
    """
    spared = {layer for name in exact for layer in network.get_submodule(name).modules()}
    replace_convolutions(layer for layer in network.modules() if layer not in spared)
    memoize(network, shared)
