"""The card of each network: the checked content of its folder's ``model.json``. Does not import torch.

Every folder of `baselines` with a ``model.json`` is a network; there is no other list.
"""

from __future__ import annotations

import copy
import importlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import field
from functools import lru_cache
from inspect import signature
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from baselines import samples
from baselines.errors import ModelError
from protocols.protocol import MotionMode

HERE = Path(__file__).parent
FILE = "model.json"
NO_CHECKSUM = "no checksum is known"  # to verify a published file
SUFFIXES = (".pth.tar", ".pth", ".pt", ".safetensors")
STATE_FILE = "state.pt"  # training state, in the training's folder beside its checkpoint

Text = Annotated[str, Field(min_length=1)]
Name = Annotated[str, Field(pattern=r"^[\w+.-]+$")]  # what `baselines.spec` reads as a name
Reference = Annotated[str, Field(pattern=r"^[\w.]+:\w+$")]  # module:attribute
Module = Annotated[str, Field(pattern=r"^[\w.]+$")]
# (side of the training frames, share of the steps, pairs per step), coarse to fine. The motion networks always work at
# a quarter of the frame size, so most of their learning can happen at small sides, where generator and loss are cheap.
Stages = tuple[tuple[int, float, int], ...]
_RESERVED = ("name", "folder", "changes")  # fields that a file may not have: they follow from its place


def _whole(stages: Stages) -> Stages:
    if any(value <= 0 for stage in stages for value in stage):
        raise ValueError("sides, shares and pairs must be positive")
    if stages and not math.isclose(sum(share for _, share, _ in stages), 1):
        raise ValueError("shares of the steps must add up to 1")
    return stages


Probe = Literal["motion", "memory", "depth", "rectify", "mosaic", "levels", "directions", "stitching"]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Card:
    """Content of ``baselines/<package>/model.json``, with the changes of a variant if it is one.

    As ``module:attribute``: predictor; trainee, the class that trains it; discriminator, for adversarial training.
    parity: module that recomputes its golden arrays (see `baselines.parity`). driven_by: what provides the motion.
    year: of publication; models are listed in this order. stages: of a short training on frames of 256 pixels.
    files: the checkpoint's file names as the authors publish it; empty if it is not published.
    networks: required top-level keys of the checkpoint; optional_networks: optional ones. companions: network to its
    separate file, relative to the folder that `files` are relative to; a file with several networks has them by name.
    bare: the network whose state dict is the whole checkpoint. renamed: top-level key of the checkpoint to its name
    here.
    exact: submodules that stay in float32 when the rest is in bfloat16, because they compute coordinates.
    probes: what `bench inspect` shows, as paths from the network (see `bench.inspection`).
    marks: prefixes of ``<network>.<key>``; only this model's checkpoints have them all.
    checksums: file name to the SHA-256 that its publisher states. at_least_mb: file name to the size of its networks'
    tensors in 10^6 bytes. person: how a person gets the files; None for a plain download.
    config: as in the official configuration file for 256x256 VoxCeleb. of: the model that this is a variant of;
    changes: the parts of its configuration that differ.
    """

    name: Name
    folder: Path
    title: Text
    summary: Text
    year: StrictInt
    predictor: Reference
    motion_modes: Annotated[tuple[MotionMode, ...], Field(min_length=1)]
    files: tuple[Text, ...]
    repository: str
    license: str
    networks: Annotated[tuple[Text, ...], Field(min_length=1)]
    optional_networks: tuple[Text, ...]
    marks: tuple[Text, ...]
    config: dict[str, Any]
    exact: tuple[Text, ...] = ()
    companions: dict[str, Text] = field(default_factory=dict)
    bare: Text | None = None
    renamed: dict[str, Text] = field(default_factory=dict)
    checksums: dict[str, Text] = field(default_factory=dict)
    at_least_mb: dict[str, Annotated[int | float, Field(gt=0)]] = field(default_factory=dict)
    person: Text | None = None
    trainee: Reference | None = None
    stages: Annotated[Stages, AfterValidator(_whole)] = ()
    discriminator: Reference | None = None
    parity: Module | None = None
    driven_by: Literal["frames", "sound"] = "frames"
    probes: dict[Probe, Text] = field(default_factory=dict)
    of: str | None = None
    changes: dict[str, Any] = field(default_factory=dict)

    @property
    def package(self) -> str:
        """Return the name of the folder, which is also that of the model itself."""
        return self.folder.name

    @property
    def sample(self) -> Path:
        """Return the path of the sample checkpoint (see `baselines.samples`); in the package if there is none."""
        own = "sample.safetensors" if self.of is None else f"{self.name}.safetensors"
        return samples.locate(self.folder / own, self.name)

    @property
    def published(self) -> tuple[str, ...]:
        """Return the files that the authors publish, each once: checkpoints, then the files of `companions`."""
        return tuple(dict.fromkeys((*self.files, *self.companions.values()))) if self.files else ()

    @property
    def needed(self) -> str:
        """Return the required files in words: "A or B" if one checkpoint is enough, "A, B" if all files are needed."""
        return ", ".join(self.published) if self.bare else " or ".join(self.files)

    @property
    def beside(self) -> dict[str, tuple[str, ...]]:
        """Return each file of `companions` with its networks."""
        return {
            file: tuple(n for n, own in self.companions.items() if own == file) for file in self.companions.values()
        }

    def root(self, checkpoint: Path) -> Path:
        """Return the folder that `companions` are relative to, for the path of a checkpoint."""
        depth = len(PurePosixPath(self.files[0]).parts) if self.files else 1
        above = checkpoint.absolute().parents
        return above[min(depth, len(above)) - 1]

    @property
    def parts(self) -> tuple[str, ...]:
        """Return the names of all networks that a checkpoint may have."""
        return self.networks + self.optional_networks

    @property
    def trained_as(self) -> str | None:
        """Return the model whose trainee this variant is trained by, with its own configuration; None otherwise."""
        return self.of if self.of and self.trainee == card(self.of).trainee else None


_CARD = TypeAdapter(Card)
_FIELDS = tuple(signature(Card).parameters)


class _Models(Mapping[str, str]):
    """Map the name of every model and variant to its package; each model before its variants.

    Models are sorted by year. The files are read at the first access.
    """

    def __getitem__(self, name: str) -> str:
        return _listed()[name].name

    def __iter__(self) -> Iterator[str]:
        return iter(_listed())

    def __len__(self) -> int:
        return len(_listed())


MODELS: Mapping[str, str] = _Models()


class _Outline(BaseModel):
    """The part of a ``model.json`` that listing the models needs; `card` checks the rest."""

    year: StrictInt
    variants: dict[Name, dict[str, Any]] = {}


@lru_cache
def card(name: str) -> Card:
    """Return the card of one of `MODELS`. Raises ModelError for an unknown name or an invalid ``model.json``."""
    if name not in _listed():
        raise ModelError(f"unknown network {name}; choose one of {', '.join(_listed())}", code="unknown-model")
    folder = _listed()[name]
    written = _raw(folder)
    if name == folder.name:
        if "of" in written:
            raise _wrong(folder, "of: only a variant has it")
        return _checked({key: value for key, value in written.items() if key != "variants"}, name, folder)
    written = dict(written["variants"][name])
    of, changes = written.pop("of", folder.name), written.get("config", {})
    if not isinstance(of, str) or MODELS.get(of) != of:
        raise _wrong(folder, f"variants.{name}.of: no model is called {of}")
    base = card(of)
    # Nobody publishes a checkpoint of a variant, unless the variant names one; nor golden arrays.
    values = {"files": [], "checksums": {}, "repository": "", "license": "", "parity": None, **written}
    inherited = {key: getattr(base, key) for key in _FIELDS if key not in (*values, *_RESERVED)}
    config = merged(base.config, changes) if isinstance(changes, Mapping) else changes
    return _checked(inherited | values | {"of": of, "config": config}, name, folder, changes)


def systems(driven_by: str | None = None) -> list[str]:
    """Return the models without their variants. driven_by: only those driven by "frames" or "sound"; None: all."""
    return [name for name, package in MODELS.items() if name == package and driven_by in (None, card(name).driven_by)]


def named(reference: str) -> Any:
    """Import and return the object of a card's ``module:attribute``."""
    module, _, attribute = reference.partition(":")
    return getattr(importlib.import_module(module), attribute)


@lru_cache
def _listed() -> dict[str, Path]:
    """Return the folder of every model and variant."""
    folders = sorted(_folders(), key=lambda folder: (_raw(folder)["year"], folder.name))
    found: dict[str, Path] = {}
    for folder in folders:
        for name in (folder.name, *_raw(folder).get("variants", {})):
            if name in found:
                raise _wrong(folder, f"{name}: {found[name] / FILE} has a model of this name")
            found[name] = folder
    return found


def _folders() -> list[Path]:
    return [file.parent for file in HERE.glob(f"*/{FILE}")]


@lru_cache
def _raw(folder: Path) -> dict[str, Any]:
    """Return a folder's ``model.json``, checked as far as listing the models needs."""
    try:
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
        _Outline.model_validate(content)
        return content
    except ValidationError as error:
        raise _wrong(folder, _first(error)) from None
    except (OSError, ValueError) as error:
        raise _wrong(folder, f"cannot be read: {error}") from None


def _checked(values: Mapping[str, Any], name: str, folder: Path, changes: Any = None) -> Card:
    where = "" if name == folder.name else f"variants.{name}."
    if reserved := next((key for key in _RESERVED if key in values), None):
        raise _wrong(folder, f"{where}{reserved}: no field of this file")
    try:
        return _CARD.validate_python({**values, "name": name, "folder": folder, "changes": changes or {}})
    except ValidationError as error:
        raise _wrong(folder, f"{where}{_first(error)}") from None


def _wrong(folder: Path, what: str) -> ModelError:
    return ModelError(f"{folder / FILE}: {what}", code="bad-model-card")


def _first(error: ValidationError) -> str:
    """Return the first mistake, with its place."""
    mistake = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(str(part) for part in mistake["loc"]) or "the whole file"
    given = "" if mistake["type"] == "missing" else f", not {str(mistake['input'])[:60]!r}"
    return f"{place}: {mistake['msg'][:1].lower()}{mistake['msg'][1:]}{given}"


def merged(config: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return `config` with `changes`, which reach into nested mappings."""
    out = copy.deepcopy(dict(config))
    for key, value in changes.items():
        nested = isinstance(value, Mapping) and isinstance(out.get(key), Mapping)
        out[key] = merged(out[key], value) if nested else copy.deepcopy(value)
    return out


def find_weights(card: Card, weights: Path | None) -> Path | None:
    """Return the model's checkpoint in the weights folder, or None.

    ``<weights>/<model>/``, which may be the folder of a training: any checkpoint file that is not known as another
    model's. ``<weights>/<package>/`` and ``<weights>/``: only files with published names.
    Raises ModelError if the folder is missing or several files match.
    """
    if weights is None:
        return None
    if not weights.is_dir():
        raise ModelError(f"weights folder {weights} does not exist", code="missing-folder")
    found = _in_folder(card, weights / card.name)
    for folder in (weights / card.package, weights):
        found = found or [folder / name for name in card.files if (folder / name).is_file()]
    if len(found) > 1:
        files = ", ".join(str(file) for file in found)
        raise ModelError(
            f"{card.name}: several checkpoints match: {files}; use {card.name}?weights=FILE",
            code="ambiguous-weights",
        )
    return found[0] if found else None


def _in_folder(about: Card, folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    others = {file for name in MODELS if name != about.name for file in card(name).files}
    others |= {PurePosixPath(file).name for name in MODELS for file in card(name).companions.values()}
    found = sorted(file for file in folder.glob("*") if file.name.endswith(SUFFIXES) and file.name != STATE_FILE)
    return [file for file in found if file.name in about.files or file.name not in others]


def official_files() -> list[dict[str, str]]:
    """Return model, file, repository, license and folder (below the weights folder) of every published file."""
    return [
        {
            "model": name,
            "file": file,
            "repository": f"github.com/{card(name).repository}",
            "license": card(name).license,
            "folder": card(name).package,
        }
        for name in MODELS
        for file in card(name).published
    ]


@lru_cache
def unavailable() -> dict[str, dict[str, Any]]:
    """Return the systems in the papers' tables that cannot be run: name to title, summary, reason and tables."""
    return json.loads((HERE / "unavailable.json").read_text(encoding="utf-8"))
