"""Faster computation on a CPU, behind one call."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from baselines.cpu.layers import replace_convolutions
from baselines.cpu.memoize import forget as forget
from baselines.cpu.memoize import memoize


def accelerate(network: nn.Module, exact: Iterable[str] = (), shared: Iterable[str] = ()) -> None:
    """Speed up a network in evaluation mode on a CPU, one pair at a time; numbers change by rounding only.

    exact: submodules to leave unchanged, because later layers amplify rounding; ``""``: the whole network.
    shared: functions of one frame, such as ``detect`` or ``generator.encode``, to compute once for all pairs with that
    frame: `baselines.cpu.memoize`.
    Layers use kernels derived from the weights at this call; later changes of the weights have no effect.
    """
    spared = {layer for name in exact for layer in network.get_submodule(name).modules()}
    replace_convolutions(layer for layer in network.modules() if layer not in spared)
    memoize(network, shared)
