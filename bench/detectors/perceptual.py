"""The weight files of perceptual distances, and what is missing. The metrics are in bench/metrics."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from bench.detectors.requirement import Requirement
from bench.detectors.weights import find_file, package_folder

KIND = "perceptual"
BACKBONES = {"alex": "alexnet-owt-7be5be79.pth", "vgg": "vgg16-397923af.pth"}
PACKAGE, RELEASE = "stlpips_pytorch", "stlpips-pytorch==0.0.2"
FILE = "weights/vST0.0/alex_shift_tolerant.pth"


@dataclass(frozen=True)
class Backbone(Requirement):
    """The package lpips and an ImageNet backbone, "alex" or "vgg", in the weights folder or in torch's own."""

    name: str
    net: str
    kind = KIND
    proxy = False

    def file(self, weights: Path | None) -> Path | None:
        return find_file(BACKBONES[self.net], weights)

    def missing(self, weights: Path | None) -> list[str]:
        reasons = [] if importlib.util.find_spec("lpips") else ["the package lpips is not installed"]
        return reasons + ([] if self.file(weights) else [f"{BACKBONES[self.net]} is not on this machine"])


@dataclass(frozen=True)
class Packaged(Requirement):
    """The network of ST-LPIPS, a file in its authors' package; the package is not imported."""

    name = "st-lpips"
    kind = KIND
    proxy = True

    def file(self, weights: Path | None = None) -> Path | None:
        folder = package_folder(PACKAGE)
        file = folder / FILE if folder else None
        return file if file and file.is_file() else None

    def missing(self, weights: Path | None = None) -> list[str]:
        return [] if self.file() else [f"the package {RELEASE} is not installed: pip install {RELEASE}"]


ALEX, VGG, SHIFT_TOLERANT = Backbone("lpips-alex", "alex"), Backbone("lpips-vgg", "vgg"), Packaged()
NETWORKS: tuple[Requirement, ...] = (ALEX, VGG, SHIFT_TOLERANT)
