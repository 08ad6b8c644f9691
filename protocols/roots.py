"""Which data a run reads: a rule in one place, so that a plan, a run and a list say the same."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from protocols.catalogue import Protocol
from protocols.datasets import LAYOUTS
from protocols.errors import DataError

SAMPLE = "sample"  # the sample set's name, in lists as in `--data sample`


def data_used(
    protocol: Protocol,
    roots: Mapping[str, Path],
    *,
    sample: bool = False,
    require_data: bool = False,
    listed: Iterable[str] | None = None,
) -> tuple[str, ...]:
    """Names of the data sets that a run of `protocol` reads; `SAMPLE` is the sample set.

    roots: configured data set folders, by name. sample: the sample set was asked for outright. require_data: it is
    forbidden. listed: the data sets of the pair list that the user names; None without one.
    The sample set takes a data set's place only where no root is configured at all: who configures one wants real
    data, and a misspelled name must not lead to other numbers. Raises DataError where a root is missing.
    """
    if sample and require_data:
        raise DataError("the sample set is asked for and forbidden at once")
    needed = tuple(dict.fromkeys(listed)) if listed is not None else (protocol.dataset,)
    if SAMPLE in needed and require_data:
        raise DataError("the pair list is of the sample set, which --require-data forbids")
    if sample and listed is None:
        return (SAMPLE,)
    whose = protocol.name if listed is None else "the pair list"
    for name in needed:
        if name == SAMPLE:
            continue
        if sample:
            raise DataError(f"the sample set is asked for, but the pair list is of the data set {name}")
        if name not in roots:
            if listed is None and not roots and not require_data:
                return (SAMPLE,)
            raise DataError(_missing(whose, name, roots))
    return needed


def refuse_unused(asked: Iterable[str], used: Collection[str], who: str) -> None:
    """Raise DataError if the command line names a root that nothing uses.

    asked: names on the command line. used: data sets that are read. who: what reads them, for the message.
    """
    unused = [name for name in dict.fromkeys(asked) if name not in used]
    if not unused:
        return
    if tuple(used) == (SAMPLE,):
        raise DataError(f"--data {unused[0]}=...: nothing uses it, {who} reads the sample set alone")
    taken = " and ".join(f"--data {name}=PATH" for name in dict.fromkeys(used) if name != SAMPLE)
    near = difflib.get_close_matches(unused[0], used, n=1, cutoff=0.6)
    meant = f" (is it meant to be {near[0]}?)" if near else ""
    raise DataError(f"--data {unused[0]}=...: nothing uses it{meant}; {who} takes {taken}{_custom(unused)}")


def how(name: str) -> str:
    """How to say where a data set is."""
    return f"give its folder with --data {name}=PATH, TALKING_HEAD_BENCH_DATA_{name.upper()} or bench.toml"


def _missing(whose: str, name: str, roots: Mapping[str, Path]) -> str:
    verb = "needs the data set" if whose != "the pair list" else "is of the data set"
    message = f"{whose} {verb} {name}: {how(name)}"
    if roots:
        found = ", ".join(f"{other}={folder}" for other, folder in roots.items())
        near = difflib.get_close_matches(name, list(roots), n=1, cutoff=0.6)
        message += f"; configured: {found}" + (f" (is {near[0]} meant to be {name}?)" if near else "")
    return message if whose == "the pair list" else f"{message}; --data sample takes the sample set{_custom(roots)}"


def _custom(names: Iterable[str]) -> str:
    """How custom data among `names` come into a run."""
    custom = [name for name in names if name not in LAYOUTS]
    return f"; {custom[0]} comes into a run by a list that names it (--pairs)" if custom else ""
