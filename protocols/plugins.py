"""Plug-ins of installed packages: models, metrics, detectors, protocols, data sets. The only reader of entry points."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from protocols.errors import PluginError, typed_line

Kind = Literal["model", "metric", "detector", "protocol", "data set"]
GROUPS: Mapping[Kind, str] = {
    "model": "talking_head_bench.predictors",
    "metric": "talking_head_bench.metrics",
    "detector": "talking_head_bench.detectors",
    "protocol": "talking_head_bench.protocols",
    "data set": "talking_head_bench.datasets",
}
FILE_MODULE = "talking_head_model_"  # prefix of the module names of models loaded from a file
OURS = ("baselines", "bench", "protocols", "reports")
# What foreign code may raise. SystemExit, because `sys.exit` in it would end this program without an error.
FAILURES = (Exception, SystemExit)


@dataclass(frozen=True)
class Plugin:
    """An object that an installed package registers under a name; it is not imported yet."""

    kind: Kind
    entry: EntryPoint

    @property
    def name(self) -> str:
        return self.entry.name

    @property
    def package(self) -> str:
        """Return name and version of the package, or the module if it has no metadata."""
        dist = self.entry.dist
        return f"{dist.name} {dist.version}" if dist else self.entry.module

    def __str__(self) -> str:
        return f"{self.package}: {self.kind} {self.name} ({self.entry.value})"

    def load(self) -> Any:
        """Return the object of the entry point. Raises PluginError, with the first line of the error, if that fails."""
        try:
            return self.entry.load()
        except FAILURES as error:  # foreign code may fail in any way
            raise self.failed(error) from error

    def failed(self, error: BaseException) -> PluginError:
        """Return an error of the plug-in's code as one line."""
        return self.refused(typed_line(error))

    def refused(self, why: str) -> PluginError:
        """Return the error that states why the plug-in is unusable."""
        return PluginError(f"plug-in {self}: {why}")


def registered(kind: Kind) -> dict[str, tuple[Plugin, ...]]:
    """Return all plug-ins of a kind, sorted by name; several per name if packages clash."""
    found = _read(kind, tuple(sys.path))
    return {name: tuple(one for one in found if one.name == name) for name in dict.fromkeys(one.name for one in found)}


def find(kind: Kind, name: str, built_in: Collection[str]) -> Plugin | None:
    """Return the plug-in of a name; None if there is none.

    built_in: this program's own names. Raises PluginError, with both sides, for a name that is taken twice.
    """
    found = registered(kind).get(name, ())
    if found and name in built_in:
        raise found[0].refused(f"the name {name} is taken by a built-in {kind}; rename the plug-in")
    if len(found) > 1:
        raise found[0].refused(f"the name {name} is also registered by {found[1]}; rename one of them")
    return found[0] if found else None


def culprit(error: BaseException) -> str | None:
    """Return, in words, the plug-in or the model's file that raised an error; None if it was this program."""
    packages = {one.entry.module.partition(".")[0]: one for kind in GROUPS for one in _read(kind, tuple(sys.path))}
    packages = {name: one for name, one in packages.items() if name not in OURS}
    trace, found = error.__traceback__, None  # the innermost frame counts
    while trace is not None:
        about = trace.tb_frame.f_globals
        module = str(about.get("__name__", ""))
        if module.startswith(FILE_MODULE):
            found = str(about.get("__file__"))
        elif plugin := packages.get(module.partition(".")[0]):
            found = f"a plug-in of {plugin.package}"
        trace = trace.tb_next
    return found


@lru_cache(maxsize=64)
def _read(kind: Kind, path: tuple[str, ...]) -> tuple[Plugin, ...]:
    """Return all plug-ins of a kind; cached by `sys.path`, since reading all metadata takes tens of milliseconds."""
    found = (Plugin(kind, entry) for entry in entry_points(group=GROUPS[kind]))
    return tuple(sorted(found, key=lambda one: (one.name, one.entry.value)))
