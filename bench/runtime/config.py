"""Folders of data, weights and caches: from the command line, then the environment, then ``bench.toml``."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baselines.samples import VARIABLE as SAMPLES_VARIABLE
from bench.runtime import debug
from bench.runtime.errors import UserError
from protocols import files
from protocols.cache import CACHE_VARIABLE as CACHE_VARIABLE
from protocols.cache import cache_folder as cache_folder
from protocols.catalogue import SAMPLE
from protocols.protocol import SAMPLES

PREFIX = "TALKING_HEAD_BENCH_"
DATA_VARIABLE = "TALKING_HEAD_BENCH_DATA_"
TIMEOUT_VARIABLE = "TALKING_HEAD_BENCH_CMD_TIMEOUT"  # read by baselines.external.process
WEIGHTS_VARIABLE = "TALKING_HEAD_BENCH_WEIGHTS"
LINKS = "follow_links"  # the only name in [data] of the file that is not a data set


@dataclass(frozen=True)
class Config:
    """Resolved folders.

    data: configured data sets, name (lower case) to root.
    sample: whether the sample set was requested (``--data sample``).
    asked: names in `data` from the command line; a command refuses those that it does not use.
    weights: folder with official checkpoints and detector weights, or None.
    cache: folder for the program's own files.
    follow_links: whether links in data folders may point outside them.
    """

    data: dict[str, Path]
    sample: bool
    weights: Path | None
    cache: Path
    asked: tuple[str, ...] = ()
    follow_links: bool = False


def load(
    data: Sequence[str] = (),
    weights: Path | None = None,
    file: Path = Path("bench.toml"),
    follow_links: bool | None = None,
) -> Config:
    """Combine command line, environment and file.

    data: values of ``--data``: ``NAME=PATH`` or the single word ``sample``.
    weights: value of ``--weights``. follow_links: ``--follow-links``; None if not given.
    file: a TOML file with the tables ``[data] NAME = "PATH"`` and ``[weights] path = "PATH"``; may be missing.
    ``[data] follow_links = true`` applies to all roots. Relative paths are relative to the file.
    Raises UserError for a malformed option or file, or a missing weights folder.
    """
    _refuse_unknown_variables()
    settings = _read(file)
    links = settings.get("data", {}).pop(LINKS, False)
    sample = SAMPLE in data
    options = [_option(option) for option in data if option != SAMPLE]
    configured = [(name, file.parent / Path(path).expanduser()) for name, path in settings.get("data", {}).items()]
    environment = [
        (variable.removeprefix(DATA_VARIABLE), Path(value).expanduser())
        for variable, value in os.environ.items()
        if variable.startswith(DATA_VARIABLE) and value
    ]
    asked = _roots(options, "--data")
    roots = _roots(configured, str(file)) | _roots(environment, DATA_VARIABLE + "...") | asked
    if weights is None:
        if from_environment := os.environ.get(WEIGHTS_VARIABLE):
            weights = Path(from_environment).expanduser()
        elif from_file := settings.get("weights", {}).get("path"):
            weights = file.parent / Path(from_file).expanduser()
    if weights is not None and not weights.is_dir():
        raise UserError(f"weights folder {weights} does not exist", code="missing-folder")
    follow = links if follow_links is None else follow_links
    return Config(roots, sample, weights, cache_folder(), asked=tuple(asked), follow_links=follow)


def _refuse_unknown_variables() -> None:
    """Raise UserError for an unknown environment variable of this program, so that a typo is not ignored."""
    known = (DATA_VARIABLE, WEIGHTS_VARIABLE, CACHE_VARIABLE, SAMPLES_VARIABLE, TIMEOUT_VARIABLE, debug.VARIABLE)
    for variable in sorted(os.environ):
        of_data = variable.startswith(DATA_VARIABLE) and variable != DATA_VARIABLE
        if variable.startswith(PREFIX) and not of_data and variable not in known[1:]:
            near = difflib.get_close_matches(variable, known, n=1)
            meant = f"; did you mean {near[0]}?" if near else ""
            raise UserError(f"unknown environment variable {variable}{meant}", code="unused-variable")


def _option(option: str) -> tuple[str, Path]:
    name, equals, path = option.partition("=")
    if not (equals and name and path):
        raise UserError(
            f"--data {option}: give NAME=PATH (for example vox1=/data/vox1_frames) or `sample`", code="bad-value"
        )
    return name, Path(path).expanduser()


def _roots(entries: Sequence[tuple[str, Path]], where: str) -> dict[str, Path]:
    """Return roots by name in lower case, as in lists. Raises UserError for an invalid or repeated name."""
    roots: dict[str, Path] = {}
    for given, path in entries:
        name = given.lower()
        if name in SAMPLES:
            raise UserError(f"{where}: {name} is built in: give the data set in {path} another name", code="bad-name")
        if "/" in name or "\\" in name or not name.isprintable() or name in (".", ".."):
            raise UserError(f"{where}: {given!r} cannot be the name of a data set", code="bad-name")
        if name in roots and roots[name] != path:
            raise UserError(f"{where}: {name} is given twice, {roots[name]} and {path}", code="duplicate-option")
        roots[name] = path
    return roots


def _read(file: Path) -> dict[str, dict[str, Any]]:
    if not file.exists():
        return {}
    try:
        settings = tomllib.loads(files.text(file))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise UserError(f"{file}: cannot be read as TOML: {error}", code="not-toml") from None
    unknown = sorted(set(settings) - {"data", "weights"})
    if unknown:
        raise UserError(f"{file}: unknown table [{unknown[0]}]; known are [data] and [weights]", code="unknown-key")
    for table, entries in settings.items():
        named = entries if isinstance(entries, dict) else {"": None}
        if not all(
            isinstance(value, bool if (table, name) == ("data", LINKS) else str) for name, value in named.items()
        ):
            links = f", or {LINKS} = true" if table == "data" else ""
            raise UserError(f'{file}: [{table}] must contain lines of the form NAME = "PATH"{links}', code="bad-value")
    if unknown := sorted(set(settings.get("weights", {})) - {"path"}):
        raise UserError(f"{file}: unknown entry {unknown[0]} in [weights]; only path is known", code="unknown-key")
    return settings
