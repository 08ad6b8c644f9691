"""What is known of each model: its checkpoint files, where they come from, its configuration, and its variants."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from baselines.predictor import ModelError, MotionMode

HERE = Path(__file__).parent
SYSTEMS = ("fomm", "mraa", "x2face", "tpsm", "fv2v", "dagan", "mcnet", "ostnet")
SUFFIXES = (".pth.tar", ".pth", ".safetensors")


@dataclass(frozen=True)
class Card:
    """Contents of ``baselines/<package>/model.json``, or those with a variant's changes.

    predictor: ``module:class``. files: names under which the authors publish the checkpoint; empty where nobody does.
    networks: top-level keys that it must have; optional_networks: that it may have. companions: networks that lie in
    files of their own, beside the checkpoint. renamed: top-level keys of the checkpoint that are called otherwise here.
    exact: submodules that stay in float32 where the rest is in bfloat16, since they make coordinates.
    marks: beginnings of ``<network>.<key>`` that only this model has all of, to recognise a file by.
    checksums: file name to the SHA-256 that its publisher states, where one is known.
    config: as in the official configuration file for 256x256 VoxCeleb. of: the model that a variant varies;
    changes: in which parts of its configuration.
    """

    name: str
    package: str
    title: str
    summary: str
    predictor: str
    motion_modes: tuple[MotionMode, ...]
    files: tuple[str, ...]
    repository: str
    licence: str
    networks: tuple[str, ...]
    optional_networks: tuple[str, ...]
    marks: tuple[str, ...]
    config: dict[str, Any]
    exact: tuple[str, ...] = ()
    companions: dict[str, str] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    checksums: dict[str, str] = field(default_factory=dict)
    of: str | None = None
    changes: dict[str, Any] = field(default_factory=dict)

    @property
    def sample(self) -> Path:
        """The sample checkpoint that comes with this package; it need not exist."""
        return HERE / self.package / ("sample.safetensors" if self.of is None else f"{self.name}.safetensors")

    @property
    def parts(self) -> tuple[str, ...]:
        """All networks that a checkpoint may have."""
        return self.networks + self.optional_networks


@lru_cache
def _raw(package: str) -> dict[str, Any]:
    return json.loads((HERE / package / "model.json").read_text(encoding="utf-8"))


# Name of every model and variant, to the package whose ``model.json`` has it; each model before its variants.
MODELS: dict[str, str] = {
    name: package for package in SYSTEMS for name in (package, *_raw(package).get("variants", {}))
}


@lru_cache
def card(name: str) -> Card:
    """The card of one of `MODELS`."""
    package = MODELS[name]
    if name == package:
        values = {key: value for key, value in _raw(package).items() if key != "variants"}
        return Card(name=name, package=package, **_tuples(values))
    changes = dict(_raw(package)["variants"][name])
    base = card(changes.pop("of", package))
    # Nobody publishes a checkpoint of a variant, unless the variant names one.
    values = {"files": [], "checksums": {}, "repository": "", "licence": "", **changes}
    values["config"] = merged(base.config, changes.get("config", {}))
    inherited = {key: getattr(base, key) for key in Card.__dataclass_fields__ if key not in values}
    return Card(
        **inherited
        | _tuples(values)
        | {"name": name, "package": package, "of": base.name, "changes": changes.get("config", {})}
    )


def merged(config: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`config` with `changes`, which reach into nested mappings."""
    out = copy.deepcopy(dict(config))
    for key, value in changes.items():
        nested = isinstance(value, Mapping) and isinstance(out.get(key), Mapping)
        out[key] = merged(out[key], value) if nested else copy.deepcopy(value)
    return out


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


def find_weights(card: Card, weights: Path | None) -> Path | None:
    """The model's checkpoint in the weights folder, or None.

    In ``<weights>/<model>/`` any checkpoint file will do that is not known to be another model's; in the folder of the
    model that a variant varies, and in ``<weights>/`` itself, only the published names.
    Raises ModelError where the folder is missing or several files could be meant.
    """
    if weights is None:
        return None
    if not weights.is_dir():
        raise ModelError(f"weights folder {weights} does not exist")
    found = _in_folder(card, weights / card.name)
    for folder in (weights / card.package, weights):
        found = found or [folder / name for name in card.files if (folder / name).is_file()]
    if len(found) > 1:
        files = ", ".join(str(file) for file in found)
        raise ModelError(f"{card.name}: several checkpoints could be meant: {files}; use {card.name}?weights=FILE")
    return found[0] if found else None


def _in_folder(about: Card, folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    others = {file for name in MODELS if name != about.name for file in card(name).files}
    others |= {file for name in MODELS for file in card(name).companions.values()}
    found = sorted(file for file in folder.glob("*") if file.name.endswith(SUFFIXES))
    return [file for file in found if file.name in about.files or file.name not in others]


def official_files() -> list[dict[str, str]]:
    """For every model and published file name: model, file, repository, licence, folder (below the weights folder)."""
    return [
        {
            "model": name,
            "file": file,
            "repository": f"github.com/{card(name).repository}",
            "licence": card(name).licence,
            "folder": card(name).package,
        }
        for name in MODELS
        for file in (*card(name).files, *(card(name).companions.values() if card(name).files else ()))
    ]


@lru_cache
def unavailable() -> dict[str, dict[str, Any]]:
    """Systems of the papers' tables that nobody can run: name to title, summary, reason and tables."""
    return json.loads((HERE / "unavailable.json").read_text(encoding="utf-8"))
