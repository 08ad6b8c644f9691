"""The ImageNet backbones of LPIPS: which files they are and what is missing. The metric itself is in bench/metrics."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from bench.detectors.weights import find_file

BACKBONES = {"alex": "alexnet-owt-7be5be79.pth", "vgg": "vgg16-397923af.pth"}


def backbone_file(net: str, weights: Path | None) -> Path | None:
    """The backbone's file in the weights folder or in torch's own, or None; `net` is "alex" or "vgg"."""
    return find_file(BACKBONES[net], weights)


def missing(net: str, weights: Path | None) -> list[str]:
    """What keeps LPIPS from being computed, in words."""
    reasons = [] if importlib.util.find_spec("lpips") else ["the package lpips is not installed"]
    return reasons + ([] if backbone_file(net, weights) else [f"{BACKBONES[net]} is not on this machine"])
