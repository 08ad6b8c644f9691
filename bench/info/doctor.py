"""`python -m bench doctor`: what is on this machine, what is missing, and where each missing file belongs."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import torch
from rich.console import Console

from baselines import samples
from baselines.card import MODELS, Card, card, find_weights
from baselines.facemesh import litert
from baselines.predictor import ModelError
from bench import detectors
from bench.detectors import body_identity
from bench.detectors.weights import torch_folder
from bench.metrics.families import FAMILIES
from bench.weights.files import FOLDER, WeightFile, model_size, way_to
from bench.weights.files import files as published


@dataclass(frozen=True)
class Row:
    """One thing that can be present or missing.

    group: "packages", "embedded weights", "papers' weights" or "models".
    item: package, or exact file name. used_for: what needs it.
    found: where it lies, or its version; None where it is missing.
    size, source: in words, as in `bench.weights.files`. place: the folder it belongs in, or the command for it.
    """

    group: str
    item: str
    used_for: str
    found: str | None
    size: str = ""
    source: str = ""
    place: str = ""


_PACKAGES = {
    "lpips": ("lpips", "pip install 'talking-head-bench[lpips]'"),
    "face-alignment": ("face_alignment", "pip install 'talking-head-bench[face-alignment]'"),
    "py-feat": ("feat", "pip install 'talking-head-bench[py-feat]'"),
    "hama": ("hama", "pip install 'talking-head-bench[sound]'"),
}
# Of the extra `study`: package, which is imported under the same name, to the commands that need it.
_STUDY = {
    "starlette": "study serve",
    "uvicorn": "study serve",
    "sqlalchemy": "study serve, collect, close, withdraw, export",
    "statsmodels": "study score",
    "krippendorff": "study score (Krippendorff's alpha)",
}
_MESH = "akd-mesh, mkr-mesh, prmse-mesh, lip-lag"
_SHIPPED = {
    "face_detection_short_range.tflite": ("0.2 MB", _MESH),
    "face_detection_full_range_sparse.tflite": ("0.7 MB", f"{_MESH}, small faces"),
    "face_landmark.tflite": ("1.2 MB", _MESH),
    "iris_landmark.tflite": ("2.6 MB", "lids and gaze"),
}
_GROUPS = {"file": "papers' weights", "hub": "papers' weights", "package": "embedded weights"}


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
        line("missing (runs work without; proxies with names of their own are computed)", "bold")
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


def packages(weights: Path | None) -> list[Row]:
    """The packages beside the program that its metrics can use, and what registers a detector of bodies."""
    rows = []
    for package, (module, install) in _PACKAGES.items():
        used_for = ", ".join(family.name for family in FAMILIES.values() if family.package == package)
        version = metadata.version(package) if importlib.util.find_spec(module) else None
        rows.append(Row("packages", package, used_for, version, "package", "the Python package index", install))
    registered = None if body_identity.missing() else "registered by an installed package"
    source = "a package around a person re-identification network, the authors' or yours (docs/metrics.md)"
    place = f"the entry points {body_identity.GROUP}"
    rows += _of_studies()
    rows.append(Row("packages", body_identity.KIND, "aed-body (TED-talks)", registered, "package", source, place))
    return rows


def _of_studies() -> list[Row]:
    """Packages of the extra `study`."""
    rows = []
    for package, used_for in _STUDY.items():
        version = metadata.version(package) if importlib.util.find_spec(package) else None
        install = "pip install 'talking-head-bench[study]'"
        what = f"{used_for} (extra study)"
        rows.append(Row("packages", package, what, version, "package", "the Python package index", install))
    return rows


def _detectors(weights: Path | None) -> list[Row]:
    rows = []
    for file in published(weights):
        if file.models:
            continue
        source, place = f"{file.source} ({file.license}); {_way(file)}", file.place
        if file.kind == "file":
            place += f" or {torch_folder()}"
        found = str(file.found) if file.found else None
        rows.append(Row(_GROUPS[file.kind], file.name, file.used_for, found, file.size, source, place))
    return rows


def _shipped(weights: Path | None) -> list[Row]:
    """Google's face networks, which are part of this program."""
    rows = []
    for name, (size, used_for) in _SHIPPED.items():
        file = litert.FOLDER / name
        found, again = (str(file) if file.is_file() else None), "its folder, by installing the program again"
        rows.append(Row("embedded weights", name, used_for, found, size, "this program's package", again))
    return rows


def _way(file: WeightFile) -> str:
    return f"`python -m bench weights fetch {file.id}`" if file.address else file.way


def _models(weights: Path | None) -> list[Row]:
    rows = []
    for name in MODELS:
        about = card(name)
        if about.files:
            found = _checkpoint(about, weights)
            source = f"github.com/{about.repository} (license: {about.license}); {way_to(about)}"
            place = f"{weights or FOLDER}/{about.package}"
            rows.append(Row("models", about.needed, about.title, found, model_size(about), source, place))
        file, used_for = about.sample, f"{about.title}, reduced width"
        if file.is_file():
            how = " (built here)" if samples.built(file, name) else ""
            rows.append(Row("models", file.name, used_for, f"{file}{how}"))
        elif name in samples.recipes():
            source = "a clone of this program's repository, or its recorded training"
            place = f"`python -m bench samples build {name}`, or `samples fetch --from CLONE`"
            rows.append(Row("models", samples.file_name(name), used_for, None, "3 to 6 MB", source, place))
    return rows


def _checkpoint(about: Card, weights: Path | None) -> str | None:
    try:
        file = find_weights(about, weights)
    except ModelError as error:  # several could be meant: a run has to choose, a doctor only tells
        if weights is None or not weights.is_dir():
            raise
        return str(error).partition(": ")[2]
    absent = [name for name in about.beside if about.bare and file and not (about.root(file) / name).is_file()]
    return f"{file}, without {', '.join(absent)}" if absent else str(file) if file else None


# One function a kind of file; the order is that of the report.
_SECTIONS: tuple[Callable[[Path | None], list[Row]], ...] = (packages, _shipped, _detectors, _models)
