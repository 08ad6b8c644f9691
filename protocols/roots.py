"""The data sets that a run reads: one rule for plans, runs and pair lists."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from protocols.catalogue import SAMPLE, Protocol, get, names
from protocols.datasets import names as dataset_names
from protocols.errors import DataError
from protocols.protocol import SAMPLES


def data_used(
    protocol: Protocol,
    roots: Mapping[str, Path],
    *,
    asked: Collection[str] = (),
    sample: bool = False,
    require_data: bool = False,
    listed: Iterable[str] | None = None,
) -> tuple[str, ...]:
    """Return the names of the data sets that a run of `protocol` reads; `SAMPLE` means its `Protocol.sample_set`.

    roots: configured data set folders, by name. asked: names on the command line; a protocol for custom data uses the
    one on the command line, else the only configured one. sample: the sample set is requested. require_data: it is
    forbidden. listed: data sets of the user's pair list; None without one.
    The sample set replaces a data set only if no root is configured: a configured root shows that real data are wanted,
    and a misspelled name must not give other numbers. Raises DataError if a root is missing, or if a list is of other
    data than the protocol.
    """
    if sample and require_data:
        raise DataError("the sample set is both requested and forbidden", code="conflicting-options")
    if listed is not None:
        return _of_list(protocol, tuple(dict.fromkeys(listed)), roots, sample, require_data)
    if sample:
        return (SAMPLE,)
    if protocol.custom:
        return (_custom_data(protocol, roots, asked),)
    if protocol.dataset in roots:
        return (protocol.dataset,)
    if roots or require_data:
        raise DataError(_missing(protocol, roots), code="missing-data")
    return (SAMPLE,)


def _of_list(
    protocol: Protocol, names: tuple[str, ...], roots: Mapping[str, Path], sample: bool, require_data: bool
) -> tuple[str, ...]:
    """Return the data sets of a pair list: the protocol's own, or any for custom data; the sample set is allowed."""
    if not set(names).isdisjoint(SAMPLES) and require_data:
        raise DataError("the pair list uses the sample set, which --require-data forbids", code="conflicting-options")
    for name in names:
        if name in SAMPLES:
            continue
        if sample:
            raise DataError(
                f"the sample set is requested, but the pair list uses the data set {name}", code="wrong-data"
            )
        if not protocol.custom and name != protocol.dataset:
            raise DataError(
                f"the pair list uses the data set {name}, but {protocol.name} uses {protocol.dataset}: "
                f"use --protocol {_for_custom(protocol)}",
                code="wrong-data",
            )
        if name.lower() not in roots:  # names may be configured in any letter case
            raise DataError(
                f"the pair list needs the data set {name}: {how(name)}{_configured(roots, name)}", code="missing-data"
            )
    return names


def _custom_data(protocol: Protocol, roots: Mapping[str, Path], asked: Collection[str]) -> str:
    """Return the only data set of a protocol for custom data."""
    for name in asked:
        if name in dataset_names():
            raise DataError(
                f"--data {name}=...: {protocol.name} is for custom data, and {name} has its own protocols "
                f"(use --pairs for a list of {name}'s frames)",
                code="wrong-data",
            )
    found = list(asked) or [name for name in roots if name not in dataset_names()]
    if not found:
        raise DataError(
            f"{protocol.name} needs custom data: give their folder with --data NAME=PATH{_configured(roots, '')}; "
            "--data sample uses the sample set",
            code="missing-data",
        )
    if len(found) > 1:
        raise DataError(
            f"{protocol.name} uses one folder, and there are {len(found)}{_configured(roots, '')}: give one "
            "--data NAME=PATH, or with --pairs a list of frames of several",
            code="several-data-sets",
        )
    return found[0]


def _for_custom(protocol: Protocol) -> str:
    """Return the name of the protocol for custom data that corresponds to `protocol`."""
    alike = (other for other in map(get, names()) if other.custom)

    def asked(one: Protocol) -> tuple[str, ...]:
        return one.shape, one.reference, one.transform, one.driven_by

    return next((other.name for other in alike if asked(other) == asked(protocol)), "own-crossid")


def refuse_unused(asked: Iterable[str], used: Collection[str], who: str) -> None:
    """Raise DataError if the command line names a root that nothing uses.

    asked: names on the command line. used: data sets that are read. who: what reads them, for the message.
    """
    unused = [name for name in dict.fromkeys(asked) if name not in {other.lower() for other in used}]
    if not unused:
        return
    if tuple(used) == (SAMPLE,):
        raise DataError(
            f"--data {unused[0]}=...: nothing uses it, {who} reads only the sample set", code="unused-option"
        )
    taken = " and ".join(f"--data {name}=PATH" for name in dict.fromkeys(used) if name not in SAMPLES)
    near = difflib.get_close_matches(unused[0], used, n=1, cutoff=0.6)
    meant = f" (did you mean {near[0]}?)" if near else ""
    raise DataError(f"--data {unused[0]}=...: nothing uses it{meant}; {who} uses {taken}", code="unused-option")


def how(name: str) -> str:
    """Return how to configure the folder of a data set, for messages."""
    return f"give its folder with --data {name}=PATH, TALKING_HEAD_BENCH_DATA_{name.upper()} or bench.toml"


def _missing(protocol: Protocol, roots: Mapping[str, Path]) -> str:
    name = protocol.dataset
    message = f"{protocol.name} needs the data set {name}: {how(name)}{_configured(roots, name)}; "
    message += "--data sample uses the sample set"
    custom = [other for other in roots if other not in dataset_names()]
    return message + (f"; {custom[0]} is for --protocol {_for_custom(protocol)}" if custom else "")


def _configured(roots: Mapping[str, Path], name: str) -> str:
    """Return the configured names, and the one that `name` may be a misspelling of, for messages."""
    if not roots:
        return ""
    near = difflib.get_close_matches(name, list(roots), n=1, cutoff=0.6)
    found = ", ".join(f"{other}={folder}" for other, folder in roots.items())
    return f"; configured: {found}" + (f" (did you mean {name} by {near[0]}?)" if near else "")
