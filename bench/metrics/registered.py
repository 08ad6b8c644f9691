"""Metrics that installed packages register: an entry point has the family's name and loads a `Metric`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache

import torch
from pydantic import ConfigDict, TypeAdapter, ValidationError
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
from reports.schema.base import first_wrong

CODE = "code"  # the part of a signature that identifies a plug-in's code
MOST_DECIMALS = 12
ROUNDING = 1e-6  # of a value outside its family's bounds
_DIGITS = 12
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


@dataclass(frozen=True)
class Metric:
    """A family of metrics with its definitions.

    family: named like the entry point. definitions: named like the family, optionally with a suffix (``sharpness-x``).
        A run that requests the family computes all of them. page: Markdown that explains it, a title (``# ...``) first.
    """

    family: Family
    definitions: Sequence[Definition]
    page: str


def names() -> list[str]:
    """Return the families that packages register, without importing them."""
    return list(plugins.registered("metric"))


def wanted(requested: Iterable[str]) -> dict[str, Metric]:
    """Return the registered families that families or definitions belong to. Raises PluginError for a broken one."""
    return {name: load(name) for name in belongs(requested)}


def belongs(requested: Iterable[str]) -> list[str]:
    """Return the registered families that names of families or definitions belong to, by the names alone."""
    requested = list(requested)
    return [name for name in names() if any(one == name or one.startswith(f"{name}-") for one in requested)]


def usable() -> dict[str, Metric]:
    """Return all registered families except broken ones."""
    return {name: found for name, found in everything().items() if isinstance(found, Metric)}


def everything() -> dict[str, Metric | PluginError]:
    """Return all registered families; a broken one as its PluginError."""
    found: dict[str, Metric | PluginError] = {}
    for name in names():
        try:
            found[name] = load(name)
        except PluginError as error:
            found[name] = error
    return found


def load(name: str) -> Metric:
    """Return one registered family, checked; its signatures have the hash of its code. Raises PluginError."""
    plugin = _find(name)
    found = plugin.load()
    if not isinstance(found, Metric):
        raise plugin.refused(f"a {type(found).__name__}, not a Metric (bench.metrics.registered)")
    found = _typed(found, plugin)
    if found.family.name != name:
        raise plugin.refused(f"its family is named {found.family.name}, not {name}")
    if not found.definitions:
        raise plugin.refused("it has no definitions")
    if why := _wrong_family(found.family):
        raise plugin.refused(why)
    for definition in found.definitions:
        if why := _wrong(definition, found.family):
            raise plugin.refused(f"{definition.name}: {why}")
        if [one.name for one in found.definitions].count(definition.name) > 1:
            raise plugin.refused(f"two definitions are named {definition.name}")
    digest = of_registered(plugin).sha256[:_DIGITS]
    return replace(found, definitions=tuple(_marked(one, found.family, plugin, digest) for one in found.definitions))


def code(name: str) -> Code | None:
    """Return the code hash of a family; None for a built-in one."""
    return of_registered(_find(name)) if name in names() else None


def _find(name: str) -> Plugin:
    plugin = plugins.find("metric", name, (*FAMILIES, *DEFINITIONS))
    if plugin is None:
        raise KeyError(name)
    if not _NAME.fullmatch(name):
        raise plugin.refused("a name may only have lower-case letters, digits, - and _")
    return plugin


def _typed(found: Metric, plugin: Plugin) -> Metric:
    """Check the type of every field. Raises PluginError, which names the field."""
    try:
        units = _each(getattr(found.family, "units", None), _fields)
        facts = {"family": _fields(found.family, units=units), "definitions": [*map(_fields, found.definitions)]}
        return _types().validate_python([{**facts, "page": found.page}])[0]
    except ValidationError as error:
        raise plugin.refused(first_wrong(error, skip=1)) from None
    except TypeError as error:  # definitions that are not a list
        raise plugin.refused(f"definitions: {error}") from None


@cache
def _types() -> TypeAdapter[list[Metric]]:
    return TypeAdapter(list[Metric], config=ConfigDict(arbitrary_types_allowed=True))


def _fields(value: object, **others: object) -> object:
    """Return the fields of a dataclass, to check their types; anything else unchanged."""
    if not is_dataclass(value) or isinstance(value, type):
        return value
    return {field.name: getattr(value, field.name) for field in fields(value)} | others


def _each(values: object, change: Callable[[object], object]) -> object:
    return {key: change(value) for key, value in values.items()} if isinstance(values, Mapping) else values


def _wrong_family(family: Family) -> str | None:
    """Return what is wrong with a family, in words."""
    low, high = family.bounds
    if not low < high:
        return f"bounds {family.bounds}: the lower bound must come first"
    if not family.units:
        return "units: at least one is needed"
    if lost := [unit for unit, scale in family.units.items() if not 0 <= scale.decimals <= MOST_DECIMALS]:
        return f"decimals of the unit {lost[0]!r}: 0 to {MOST_DECIMALS}"
    return None


def _wrong(definition: Definition, family: Family) -> str | None:
    """Return what is wrong with a definition, in words."""
    name = definition.name
    if not _NAME.fullmatch(name) or not (name == family.name or name.startswith(f"{family.name}-")):
        return f"the name must be {family.name} or begin with {family.name}-"
    if definition.family != family.name:
        return f"its family is {definition.family}, not {family.name}"
    if name in DEFINITIONS:
        return "a built-in definition has this name"
    if definition.unit not in family.units:
        return f"the unit {definition.unit!r} is not one of its family's: {', '.join(map(repr, family.units))}"
    if CODE in definition.params:
        return f"the parameter {CODE} is reserved"
    if definition.requires is not None:
        return "put weights into its detector or into params; `requires` is for built-in metrics"
    if definition.detector is None:
        return None if definition.against == "target" else "images are compared with the target: against='target'"
    if definition.detector not in (*KINDS, *plugins.registered("detector")):
        return f"no built-in or registered detector is of the kind {definition.detector}"
    return None if definition.detector_name else "detector_name must name a detector of that kind"


def _marked(definition: Definition, family: Family, plugin: Plugin, digest: str) -> Definition:
    params = {**definition.params, CODE: digest}
    compute = _Checked(plugin, definition.name, definition.compute, family.bounds)
    return replace(definition, params=params, compute=compute)


@dataclass(frozen=True)
class _Checked:
    """A plug-in's function. Its failures, and results of the wrong form, are reported as the plug-in's."""

    plugin: Plugin
    name: str
    compute: Compute
    bounds: tuple[float, float]

    def __call__(self, prediction: Tensor, reference: Tensor) -> Tensor:
        try:
            # Copies: a plug-in that changes its arguments must not change another metric's input.
            values = self.compute(prediction.clone(), reference.clone())
        except BenchError:
            raise
        except plugins.FAILURES as error:  # third-party code may raise anything
            if is_of_device(error):
                raise
            raise self.plugin.failed(error) from error
        if not isinstance(values, Tensor) or values.shape != (len(prediction),):
            form = f"a tensor {tuple(values.shape)}" if isinstance(values, Tensor) else type(values).__name__
            raise self.plugin.refused(
                f"{self.name} returned {form} for {len(prediction)} pairs, not one number per pair"
            )
        if values.is_complex() or values.layout != torch.strided or values.is_meta:
            kind = f"{values.dtype}, {values.layout}, on {values.device}"
            raise self.plugin.refused(f"{self.name} returned a tensor without plain numbers ({kind})")
        values = values.detach().to("cpu", torch.float64)
        low, high = self.bounds
        slack = ROUNDING * max([1.0, *(abs(bound) for bound in self.bounds if math.isfinite(bound))])
        if (outside := values[(values < low - slack) | (values > high + slack)]).numel():
            raise self.plugin.refused(
                f"{self.name} gave {float(outside[0]):g}, outside its family's bounds {self.bounds}"
            )
        return values
