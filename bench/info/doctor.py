"""`python -m bench doctor`: what is installed, what is missing, and where to put each missing file."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
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
from bench.samples.survey import BUILD
from bench.weights.check import damage
from bench.weights.files import FOLDER, WeightFile, model_size, way_to
from bench.weights.files import files as published


@dataclass(frozen=True)
class Row:
    """A package or file that is installed or missing.

    group: one of `GROUPS`. item: package, or exact file name. used_for: what needs it.
    found: path or version; None if missing. problem: what is wrong with what was found, or "".
    size, source: as text, as in `bench.weights.files`. place: the folder for it, or the command that installs it.
    get: how to get it, in short. model: name of the model that it is for, or "".
    """

    group: str
    item: str
    used_for: str
    found: str | None
    size: str = ""
    source: str = ""
    place: str = ""
    get: str = ""
    model: str = ""
    problem: str = ""


OFFICIAL, SAMPLES = "official checkpoints", "sample checkpoints"
GROUPS = ("packages", "embedded weights", "papers' weights", OFFICIAL, SAMPLES)

_PACKAGES = {
    "lpips": ("lpips", "pip install 'talking-head-bench[lpips]'"),
    "face-alignment": ("face_alignment", "pip install 'talking-head-bench[face-alignment]'"),
    "py-feat": ("feat", "pip install 'talking-head-bench[py-feat]'"),
    "hama": ("hama", "pip install 'talking-head-bench[sound]'"),
}
# Packages of the extra `study`, which are imported under the same name, and the commands that need them.
_STUDY = {
    "starlette": "study serve",
    "uvicorn": "study serve",
    "sqlalchemy": "study serve, collect, close, withdraw, export",
    "statsmodels": "study score",
    "krippendorff": "study score (Krippendorff's alpha)",
}
BY_HAND = "by hand, see `python -m bench weights`"
_MESH = "akd-mesh, mkr-mesh, prmse-mesh, lip-lag"
_SHIPPED = {
    "face_detection_short_range.tflite": ("0.2 MB", _MESH),
    "face_detection_full_range_sparse.tflite": ("0.7 MB", f"{_MESH}, small faces"),
    "face_landmark.tflite": ("1.2 MB", _MESH),
    "iris_landmark.tflite": ("2.6 MB", "lids and gaze"),
}
_GROUPS = {"file": "papers' weights", "hub": "papers' weights", "package": "embedded weights"}


def report(weights: Path | None) -> list[Row]:
    """Return every package, weight file and checkpoint that the program can use, installed or not.

    Files are compared with their checksums, or opened to find damaged ones; no torch network is built.
    weights: the weights folder, or None.
    """
    return [row for section in _SECTIONS for row in section(weights)]


def render(console: Console, weights: Path | None, everything: bool = False) -> None:
    """Print the machine, the detectors that a run would use, and what is missing.

    everything: also what is installed, and size, source and folder of each missing file.
    """

    def line(text: str, style: str = "") -> None:  # without wrapping, so that paths stay whole
        console.print(text, style=style, soft_wrap=True, highlight=False, markup=False)

    rows = report(weights)
    found, missing = [row for row in rows if row.found], [row for row in rows if not row.found]
    line(f"torch {torch.__version__}, {_device()}")
    line(f"weights folder: {weights or 'none (--weights, TALKING_HEAD_BENCH_WEIGHTS or bench.toml)'}")
    line("detectors of `--detectors auto`", "bold")
    for message in detectors.choose("auto", weights).messages:
        line(f"  {message.partition(';')[0].removesuffix(')')})")
    for row in found:
        if row.problem:
            line(f"{row.used_for}: {row.problem}", "bold yellow")
    if everything:
        line("installed", "bold")
        for row in found:
            line(f"  {row.item}, for {row.used_for}: {row.found}")
    note = "" if everything else "; a line can stand for several"
    line(f"missing: {len(missing)} of {len(rows)} (optional: without them, runs compute proxies instead{note})", "bold")
    for text in _details(missing) if everything else _short(missing):
        line(f"  {text}")
    if not everything:
        line("`python -m bench doctor --all` prints what is installed, and size, source and folder of what is missing")


def _details(missing: list[Row]) -> Iterator[str]:
    for row in missing:
        yield from (f"{row.item} ({row.size}), for {row.used_for}", f"  from {row.source}", f"  to {row.place}")


def _short(missing: list[Row]) -> Iterator[str]:
    """Return a line for each missing package and detector file, and one for all models."""
    for group in GROUPS:
        rows = [row for row in missing if row.group == group]
        if group not in (OFFICIAL, SAMPLES):
            yield from (f"{row.item}, for {row.used_for}: {row.get}" for row in rows)
        elif group == SAMPLES and rows:
            yield f"{group}: `{BUILD} {' '.join(row.model for row in rows)}`"
        elif rows:
            yield f"{group} of {', '.join(row.model for row in rows)}: {rows[0].get}"


def _device() -> str:
    return f"GPU: {torch.cuda.get_device_name()}" if torch.cuda.is_available() else "no GPU that torch can use"


def packages(weights: Path | None) -> list[Row]:
    """Return optional packages of metrics and commands, and the plug-in for person re-identification."""
    rows = []
    for package, (module, install) in _PACKAGES.items():
        used_for = ", ".join(family.name for family in FAMILIES.values() if family.package == package)
        version = metadata.version(package) if importlib.util.find_spec(module) else None
        rows.append(
            Row("packages", package, used_for, version, "package", "the Python package index", install, install)
        )
    registered = None if body_identity.missing() else "registered by an installed package"
    source = "a package with a person re-identification network, the authors' or yours (docs/metrics.md)"
    place, get = f"the entry points {body_identity.GROUP}", "write a plug-in (docs/metrics.md)"
    rows += _of_studies()
    rows.append(Row("packages", body_identity.KIND, "aed-body (TED-talks)", registered, "package", source, place, get))
    return rows


def _of_studies() -> list[Row]:
    """Return the packages of the extra `study`."""
    rows = []
    for package, used_for in _STUDY.items():
        version = metadata.version(package) if importlib.util.find_spec(package) else None
        install = "pip install 'talking-head-bench[study]'"
        what = f"{used_for} (extra study)"
        rows.append(Row("packages", package, what, version, "package", "the Python package index", install, install))
    return rows


def _detectors(weights: Path | None) -> list[Row]:
    rows = []
    for file in published(weights):
        if file.models:
            continue
        source, place = f"{file.source} ({file.license}); {_way(file)}", file.place
        get = _way(file) if file.address else BY_HAND
        if file.kind == "file":
            place += f" or {torch_folder()}"
        found, problem = (str(file.found), damage(file.found, file.sha256)) if file.found else (None, "")
        rows.append(
            Row(_GROUPS[file.kind], file.name, file.used_for, found, file.size, source, place, get, problem=problem)
        )
    return rows


def _shipped(weights: Path | None) -> list[Row]:
    """Return Google's face networks, which are part of this package."""
    rows = []
    for name, (size, used_for) in _SHIPPED.items():
        file = litert.FOLDER / name
        found, again = (str(file) if file.is_file() else None), "reinstall this package"
        problem = _damage_of_shipped(file) if found else ""
        rows.append(Row("embedded weights", name, used_for, found, size, "this package", again, again, problem=problem))
    return rows


def _damage_of_shipped(file: Path) -> str:
    """Return why a network cannot be loaded, in words; empty if it can, or if LiteRT is not installed."""
    try:
        litert.release()
    except ModelError:
        return ""
    try:
        litert.Network(file.stem).check()
    except ModelError as error:
        return str(error)
    return ""


def _way(file: WeightFile) -> str:
    return f"`python -m bench weights fetch {file.id}`" if file.address else file.way


def _models(weights: Path | None) -> list[Row]:
    rows = []
    for name in MODELS:
        about = card(name)
        if about.files:
            found, problem = _checkpoint(about, weights)
            source = f"github.com/{about.repository} (license: {about.license}); {way_to(about)}"
            place, size = f"{weights or FOLDER}/{about.package}", model_size(about)
            rows.append(Row(OFFICIAL, about.needed, about.title, found, size, source, place, BY_HAND, name, problem))
        file, used_for = about.sample, f"{about.title}, reduced width"
        if file.is_file():
            state = samples.local_state(file, name)
            found, problem = (f"{file} ({state})" if state else str(file)), f"{file} is damaged"
            rows.append(Row(SAMPLES, file.name, used_for, found, problem=problem if state == "damaged" else ""))
        elif name in samples.recipes():
            source = "a clone of this program's repository, or its recorded training"
            get = f"`{BUILD} {name}`"
            place = f"{get}, or `samples fetch --from CLONE`"
            rows.append(Row(SAMPLES, samples.file_name(name), used_for, None, "3 to 6 MB", source, place, get, name))
    return rows


def _checkpoint(about: Card, weights: Path | None) -> tuple[str | None, str]:
    """Return path of an official checkpoint, or None, and what is wrong with it."""
    try:
        file = find_weights(about, weights)
    except ModelError as error:  # several candidates: a run needs a choice, this report does not
        if weights is None or not weights.is_dir():
            raise
        ambiguous = str(error).partition(": ")[2]
        return ambiguous, ambiguous
    absent = [name for name in about.beside if about.bare and file and not (about.root(file) / name).is_file()]
    incomplete = f"{file}, without {', '.join(absent)}" if absent else ""
    return incomplete or (str(file) if file else None), incomplete or (damage(file) if file else "")


# One function per kind of file, in the order of the report.
_SECTIONS: tuple[Callable[[Path | None], list[Row]], ...] = (packages, _shipped, _detectors, _models)
