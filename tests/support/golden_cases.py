"""Golden numbers of the official networks, a subset, and networks filled with their weights."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from torch import nn

from baselines.parity import Case
from bench.parity import compare as golden
from bench.parity import verify

FOLDER = Path(__file__).parents[1] / "baselines" / "golden"


@lru_cache(1)
def filled(model: str) -> tuple[nn.Module, Case]:
    """The full network with the deterministic weights, and its golden arrays."""
    case = golden.read(FOLDER / model)
    return verify.build(FOLDER / model, case, golden.Comparer(case)), case


def differing(net: nn.Module, case: Case, *modes: str) -> list[str]:
    """Names of the arrays that differ, in the order of the computation; only the given modes, or all."""
    if modes:
        detected = ("kp_", "region_", "he_", "depth.", "meta.", "bg_")
        others = {name: a for name, a in case.arrays.items() if name.startswith(detected)}
        own = {name: a for name, a in case.arrays.items() if name.split(".")[0] in modes}
        case = Case(case.spec, {**others, **own})
    comparer = golden.Comparer(case)
    verify.compute(net, case, comparer)
    left = [name for name in comparer.left() if not name.startswith("weights.")]
    assert comparer.results and not left, left
    return [result.name for result in comparer.results if not result.ok]


def parameters(net: nn.Module, network: str) -> int:
    return sum(p.numel() for p in net.get_submodule(network).parameters())
