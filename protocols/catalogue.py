"""The protocols by name: built-in ones, those of installed packages, and those in TOML files."""

from __future__ import annotations

import difflib
from dataclasses import fields
from functools import cache
from pathlib import Path

from protocols import plugins
from protocols.errors import DataError, PluginError
from protocols.protocol import CROSS, CUSTOM, SAME, SAMPLE, SIZES, Protocol
from protocols.protocol_file import OWN_LISTS, OWN_TEXTS, SUFFIX, built_in, checked, read

__all__ = ["CROSS", "CUSTOM", "SAME", "SAMPLE", "SIZES", "Protocol", "get", "names", "registered"]


@cache
def _built_in() -> dict[str, Protocol]:
    return {protocol.name: protocol for protocol in built_in()}


def names() -> list[str]:
    """Return the names of all built-in protocols."""
    return list(_built_in())


def registered() -> dict[str, Protocol | PluginError]:
    """Return the protocols of installed packages by name, or the error of an unusable one."""
    found: dict[str, Protocol | PluginError] = {}
    for name in plugins.registered("protocol"):
        try:
            found[name] = get(name)
        except PluginError as error:
            found[name] = error
    return found


def get(name: str) -> Protocol:
    """Return a protocol by its name, or from the file ``path/to/mine.toml`` (see `protocol_file`).

    Raises DataError for an unusable file or, with the closest names, an unknown protocol, and PluginError for an
    unusable plug-in.
    """
    if name.endswith(SUFFIX):
        protocol = read(Path(name).expanduser())
        if protocol.name in _built_in():
            raise DataError(f"{name}: name: {protocol.name} is a built-in protocol; choose another", code="name-taken")
        if other := plugins.registered("protocol").get(protocol.name):
            raise DataError(f"{name}: name: {protocol.name} is taken by {other[0]}; choose another", code="name-taken")
        return protocol
    if plugin := plugins.find("protocol", name, _built_in()):
        return _of_plugin(plugin)
    if name in _built_in():
        return _built_in()[name]
    known = [*_built_in(), *plugins.registered("protocol")]
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4) or known
    raise DataError(f"unknown protocol {name!r}; did you mean {', '.join(near)}?", code="unknown-protocol")


def _of_plugin(plugin: plugins.Plugin) -> Protocol:
    """Return the protocol that a package registers: a `Protocol`, or a function without arguments that returns one."""
    made = plugin.load()
    if not isinstance(made, Protocol) and callable(made):
        try:
            made = made()
        except plugins.FAILURES as error:  # foreign code may fail in any way
            raise plugin.failed(error) from error
    if not isinstance(made, Protocol):
        raise plugin.refused(f"{type(made).__name__} is not a Protocol")
    try:
        protocol = checked(_typed(made))
    except DataError as error:
        raise plugin.refused(str(error)) from None
    if protocol.name != plugin.name:
        raise plugin.refused(f"its name is {protocol.name}, not {plugin.name}")
    return protocol


def _typed(made: Protocol) -> Protocol:
    """Return the protocol with every field of its type. Raises DataError with the field."""
    from pydantic import TypeAdapter, ValidationError  # late import: listing protocols does not need it

    own = [key for key in (*OWN_LISTS, *OWN_TEXTS) if getattr(made, key)]
    if own:
        raise DataError(f"{own[0]}: only built-in protocols have this key", code="unknown-key")
    try:
        return TypeAdapter(Protocol).validate_python({one.name: getattr(made, one.name) for one in fields(made)})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise DataError(f"{place}: {first['msg']}", code="bad-value") from None
