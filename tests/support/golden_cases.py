"""Golden numbers of the official networks, a subset, and networks filled with their weights."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import nn

from baselines.fomm.network import FOMM
from baselines.parity import Case
from bench.parity import compare as golden
from bench.parity import verify

MOTION = {"block_expansion": 4, "max_features": 8, "num_blocks": 2, "scale_factor": 0.25}
GENERATOR = {"block_expansion": 4, "max_features": 8, "num_down_blocks": 2, "num_bottleneck_blocks": 1}
CONFIG = {
    "common_params": {"num_kp": 4, "num_channels": 3},
    "kp_detector_params": {**MOTION, "temperature": 0.1},
    "generator_params": {**GENERATOR, "dense_motion_params": MOTION},
}
WHOLE = ("kp_source.value", "kp_source.jacobian", "absolute.kp.value")
SAMPLED = ("absolute.mask", "absolute.deformation", "absolute.prediction")
FOLDER = Path(__file__).parents[1] / "baselines" / "golden"


@lru_cache(1)
def filled(model: str) -> tuple[nn.Module, Case]:
    """The full network with the deterministic weights, which are the official network's, and its golden arrays."""
    case = golden.read(FOLDER / model)
    weights = golden.Comparer(case)
    net = verify.build(FOLDER / model, case, weights)
    assert len(weights.results) == len(case.spec["networks"]) and all(result.ok for result in weights.results)
    return net, case


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


def small(folder: Path) -> Path:
    """A golden folder of a small FOMM with seeds of its own, made by this package's network."""
    torch.manual_seed(0)
    networks: dict[str, dict[str, list[int]]] = {}
    for key, tensor in FOMM(CONFIG).state_dict().items():
        network, _, name = key.partition(".")
        networks.setdefault(network, {})[name] = list(tensor.shape)
    spec = {"model": "fomm", "seed": 5, "pair_seed": 11, "config": CONFIG, "networks": networks, "overrides": []}
    folder.mkdir()
    (folder / "spec.json").write_text(json.dumps(spec))
    case = Case(spec, {"absolute.kp.value": np.zeros(0)})
    arrays: dict[str, np.ndarray] = {}

    def record(name: str, tensor: torch.Tensor) -> None:
        x = tensor.numpy()
        if name in WHOLE:
            arrays[name] = x.copy()
        elif name in SAMPLED:
            index = np.random.default_rng(0).choice(x.size, 50, replace=False)
            wide = x.astype(np.float64)
            arrays[f"{name}.index"], arrays[f"{name}.value"] = index, x.ravel()[index]
            arrays[f"{name}.shape"] = np.array(x.shape)
            arrays[f"{name}.stats"] = np.array([wide.mean(), wide.std(), wide.min(), wide.max()])

    verify.compute(verify.build(folder, case, golden.Comparer(case)), case, record)
    np.savez_compressed(folder / "golden.npz", **arrays)
    return folder
