"""Metrics that installed packages register: an entry point is called as the family, and gives a `Metric`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from baselines.code import Code, of_registered
from bench.detectors import KINDS
from bench.metrics.base import Compute, Definition
from bench.metrics.catalogue import DEFINITIONS
from bench.metrics.families import FAMILIES, Family
from bench.runtime.device_errors import is_of_device
from protocols import plugins
from protocols.errors import BenchError, PluginError
from protocols.plugins import Plugin

CODE = "code"  # the part of a signature that stands for a plug-in's code
_DIGITS = 12
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


@dataclass(frozen=True)
class Metric:
    """A family of metrics with its definitions.

    family: called as the entry point. definitions: named like the family, or like it and a suffix (``sharpness-x``).
    The one that is called as the family comes where a run asks for the family, and so do the others. page: Markdown
    that explains it, a title (``# ...``) first.
    """

    family: Family
    definitions: Sequence[Definition]
    page: str


def names() -> list[str]:
    """The families that packages register; nothing of them is imported."""
    return list(plugins.registered("metric"))


def wanted(asked: Iterable[str]) -> dict[str, Metric]:
    """The registered families that names of families or definitions belong to. Raises PluginError for a broken one."""
    return {name: load(name) for name in belongs(asked)}


def belongs(asked: Iterable[str]) -> list[str]:
    """The registered families that names of families or definitions belong to, by the names alone."""
    asked = list(asked)
    return [name for name in names() if any(one == name or one.startswith(f"{name}-") for one in asked)]


def usable() -> dict[str, Metric]:
    """All registered families but those that are broken."""
    return {name: found for name, found in everything().items() if isinstance(found, Metric)}


def everything() -> dict[str, Metric | PluginError]:
    """All registered families, or why one cannot be used."""
    found: dict[str, Metric | PluginError] = {}
    for name in names():
        try:
            found[name] = load(name)
        except PluginError as error:
            found[name] = error
    return found


def load(name: str) -> Metric:
    """One registered family, checked; its signatures carry the hash of its code. Raises PluginError."""
    plugin = _find(name)
    found = plugin.load()
    if not isinstance(found, Metric):
        raise plugin.refused(f"a {type(found).__name__}, not a Metric (bench.metrics.registered)")
    if found.family.name != name:
        raise plugin.refused(f"its family is called {found.family.name}, not {name}")
    if not found.definitions:
        raise plugin.refused("it has no definitions")
    for definition in found.definitions:
        if why := _wrong(definition, found.family):
            raise plugin.refused(f"{definition.name}: {why}")
    digest = of_registered(plugin).sha256[:_DIGITS]
    return replace(found, definitions=tuple(_marked(one, plugin, digest) for one in found.definitions))


def code(name: str) -> Code | None:
    """The code of a family; None for this program's own."""
    return of_registered(_find(name)) if name in names() else None


def _find(name: str) -> Plugin:
    plugin = plugins.find("metric", name, (*FAMILIES, *DEFINITIONS))
    if plugin is None:
        raise KeyError(name)
    if not _NAME.fullmatch(name):
        raise plugin.refused("a name has small letters, digits, - and _")
    return plugin


def _wrong(definition: Definition, family: Family) -> str | None:
    """What is wrong with a definition, in words."""
    name = definition.name
    if not _NAME.fullmatch(name) or not (name == family.name or name.startswith(f"{family.name}-")):
        return f"the name is to be {family.name} or to begin with {family.name}-"
    if definition.family != family.name:
        return f"its family is {definition.family}, not {family.name}"
    if name in DEFINITIONS:
        return "a built-in definition of this program has the name"
    if definition.unit not in family.units:
        return f"the unit {definition.unit!r} is none of its family's: {', '.join(map(repr, family.units))}"
    if CODE in definition.params:
        return f"the parameter {CODE} is the program's own"
    if definition.requires is not None:
        return "weights go into its detector, or into params; `requires` is for built-in metrics"
    if definition.detector is None:
        return None if definition.against == "target" else "what compares images is against the target"
    if definition.detector not in (*KINDS, *plugins.registered("detector")):
        return f"there is no detector {definition.detector}, built in or registered"
    return None if definition.detector_name else "detector_name says which detector of that kind"


def _marked(definition: Definition, plugin: Plugin, digest: str) -> Definition:
    params = {**definition.params, CODE: digest}
    return replace(definition, params=params, compute=_Checked(plugin, definition.name, definition.compute))


@dataclass(frozen=True)
class _Checked:
    """A plug-in's function whose failures, and results of another form, are the plug-in's."""

    plugin: Plugin
    name: str
    compute: Compute

    def __call__(self, prediction: Tensor, reference: Tensor) -> Tensor:
        try:
            values = self.compute(prediction, reference)
        except BenchError:
            raise
        except Exception as error:  # foreign code may fail in any way
            if is_of_device(error):
                raise
            raise self.plugin.failed(error) from error
        if not isinstance(values, Tensor) or values.shape != (len(prediction),):
            form = f"a tensor {tuple(values.shape)}" if isinstance(values, Tensor) else type(values).__name__
            raise self.plugin.refused(f"{self.name} gave {form} for {len(prediction)} pairs, not one number a pair")
        return values.detach().to("cpu", torch.float64)
