"""What is known of each network: its folder's ``model.json``, read and checked. Reading it imports no torch.

A folder of `baselines` with a ``model.json`` is a network; nothing else lists them.
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
STATE_FILE = "state.pt"  # of a training in its folder, beside the checkpoint that it makes

Text = Annotated[str, Field(min_length=1)]
Name = Annotated[str, Field(pattern=r"^[\w+.-]+$")]  # that `baselines.spec` reads as a name
Reference = Annotated[str, Field(pattern=r"^[\w.]+:\w+$")]  # module:attribute
Module = Annotated[str, Field(pattern=r"^[\w.]+$")]
# (side of the training frames, share of the steps, pairs in a step): coarse to fine. The motion networks work at
# a quarter of the frame size whatever the side, so most of their learning can happen where the generator and the loss
# cost little.
Stages = tuple[tuple[int, float, int], ...]
_RESERVED = ("name", "folder", "changes")  # fields that are not written, but taken from where the file is


def _whole(stages: Stages) -> Stages:
    if any(value <= 0 for stage in stages for value in stage):
        raise ValueError("sides, shares and pairs must be positive")
    if stages and not math.isclose(sum(share for _, share, _ in stages), 1):
        raise ValueError("shares of the steps must add up to 1")
    return stages


Probe = Literal["motion", "memory", "depth", "rectify", "mosaic", "levels", "directions", "stitching"]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Card:
    """Contents of ``baselines/<package>/model.json``, or those with a variant's changes.

    Named there as ``module:attribute``: predictor; trainee, by which it is trained; discriminator, the form of its
    adversarial training, if any. parity: module that recomputes its golden arrays (see `baselines.parity`).
    driven_by: what gives the motion. year: of the publication, by which models are listed. stages: of a short training,
    for frames of 256 pixels.
    files: names under which the authors publish the checkpoint; empty where nobody does.
    networks: top-level keys that it must have; optional_networks: that it may have. companions: networks that lie in
    files of their own, named from the folder that `files` start in; several may share one, which then holds them by
    name. bare: the network that is all of the checkpoint, with nothing around it. renamed: top-level keys of the
    checkpoint that are called otherwise here.
    exact: submodules that stay in float32 where the rest is in bfloat16, since they make coordinates.
    probes: what `bench inspect` looks into, by what it is, as a path from the network (see `bench.inspection`).
    marks: beginnings of ``<network>.<key>`` that only this model has all of, to recognize a file by.
    checksums: file name to the SHA-256 that its publisher states, where one is known. at_least_mb: file name to the
    10^6 bytes of its networks' tensors. person: what a person does to get the files; None where that is the usual.
    config: as in the official configuration file for 256x256 VoxCeleb. of: the model that a variant varies;
    changes: in which parts of its configuration.
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
        """Name of the folder, which is that of the model itself."""
        return self.folder.name

    @property
    def sample(self) -> Path:
        """The sample checkpoint, wherever it lies (`baselines.samples`); where none is, its place in the package."""
        own = "sample.safetensors" if self.of is None else f"{self.name}.safetensors"
        return samples.locate(self.folder / own, self.name)

    @property
    def published(self) -> tuple[str, ...]:
        """Every file that the authors publish, each once: checkpoints, then what lies beside them."""
        return tuple(dict.fromkeys((*self.files, *self.companions.values()))) if self.files else ()

    @property
    def needed(self) -> str:
        """In words, which of these it takes: any of several checkpoints, or all files of one."""
        return ", ".join(self.published) if self.bare else " or ".join(self.files)

    @property
    def beside(self) -> dict[str, tuple[str, ...]]:
        """File of `companions` to the networks in it."""
        return {
            file: tuple(n for n, own in self.companions.items() if own == file) for file in self.companions.values()
        }

    def root(self, checkpoint: Path) -> Path:
        """The folder that `companions` are named from, of a checkpoint at a place."""
        depth = len(PurePosixPath(self.files[0]).parts) if self.files else 1
        above = checkpoint.absolute().parents
        return above[min(depth, len(above)) - 1]

    @property
    def parts(self) -> tuple[str, ...]:
        """All networks that a checkpoint may have."""
        return self.networks + self.optional_networks

    @property
    def trained_as(self) -> str | None:
        """The model whose trainee a variant shares, its changes of the configuration applied; None: it has its own."""
        return self.of if self.of and self.trainee == card(self.of).trainee else None


_CARD = TypeAdapter(Card)
_FIELDS = tuple(signature(Card).parameters)


class _Models(Mapping[str, str]):
    """Name of every model and variant, to the folder whose ``model.json`` has it; each model before its variants.

    Models are in the order of their years. The files are read when it is first looked into.
    """

    def __getitem__(self, name: str) -> str:
        return _listed()[name].name

    def __iter__(self) -> Iterator[str]:
        return iter(_listed())

    def __len__(self) -> int:
        return len(_listed())


MODELS: Mapping[str, str] = _Models()


class _Outline(BaseModel):
    """What listing the models needs of a ``model.json``; the rest is checked when a card is asked for."""

    year: StrictInt
    variants: dict[Name, dict[str, Any]] = {}


@lru_cache
def card(name: str) -> Card:
    """The card of one of `MODELS`. Raises ModelError, in one line, for another name and a wrong ``model.json``."""
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
    """The models of the papers themselves, without variants; of all, or those driven by "frames" or "sound"."""
    return [name for name, package in MODELS.items() if name == package and driven_by in (None, card(name).driven_by)]


def named(reference: str) -> Any:
    """The object that a card names as ``module:attribute``."""
    module, _, attribute = reference.partition(":")
    return getattr(importlib.import_module(module), attribute)


@lru_cache
def _listed() -> dict[str, Path]:
    """The folder of every model and variant."""
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
    """A folder's ``model.json`` with as much checked as listing the models needs."""
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
    """The first of the mistakes: where it is, and what."""
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
    """The model's checkpoint in the weights folder, or None.

    In ``<weights>/<model>/`` any checkpoint file will do that is not known to be another model's, so that it may be the
    folder of a training; in the folder of the model that a variant varies, and in ``<weights>/`` itself, only the
    published names.
    Raises ModelError where the folder is missing or several files could be meant.
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
    """For every model and published file name: model, file, repository, license, folder (below the weights folder)."""
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
    """Systems of the papers' tables that nobody can run: name to title, summary, reason and tables."""
    return json.loads((HERE / "unavailable.json").read_text(encoding="utf-8"))
