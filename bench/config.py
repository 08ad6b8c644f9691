"""Where data, weights and caches lie: command line first, then the environment, then ``bench.toml``."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from bench.errors import UserError
from protocols import files

DATA_VARIABLE = "TALKING_HEAD_BENCH_DATA_"
WEIGHTS_VARIABLE = "TALKING_HEAD_BENCH_WEIGHTS"
CACHE_VARIABLE = "TALKING_HEAD_BENCH_CACHE"


@dataclass(frozen=True)
class Config:
    """Resolved locations.

    data: data set name (lower case) to its root; only those that somebody configured.
    sample: the sample set was asked for outright (``--data sample``).
    weights: folder with official checkpoints and detector weights, or None.
    cache: folder that this tool may fill.
    """

    data: dict[str, Path]
    sample: bool
    weights: Path | None
    cache: Path


def cache_folder() -> Path:
    """The cache folder: ``$TALKING_HEAD_BENCH_CACHE`` or the platform's own place for caches."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen).expanduser()
    return Path(platformdirs.user_cache_dir("talking-head-bench"))


def load(data: Sequence[str] = (), weights: Path | None = None, file: Path = Path("bench.toml")) -> Config:
    """Put the three sources together.

    data: values of ``--data``: ``NAME=PATH`` or the single word ``sample``.
    weights: value of ``--weights``.
    file: a TOML file with the tables ``[data] NAME = "PATH"`` and ``[weights] path = "PATH"``; it need not exist.
    Relative paths in it are relative to the file.
    Raises UserError for a malformed option, file, or a weights folder that is not there.
    """
    settings = _read(file)
    roots = {name.lower(): (file.parent / Path(path).expanduser()) for name, path in settings.get("data", {}).items()}
    for variable, value in os.environ.items():
        if variable.startswith(DATA_VARIABLE) and value:
            roots[variable.removeprefix(DATA_VARIABLE).lower()] = Path(value).expanduser()
    sample = False
    for option in data:
        name, equals, path = option.partition("=")
        if option == "sample":
            sample = True
        elif equals and name and path:
            roots[name.lower()] = Path(path).expanduser()
        else:
            raise UserError(f"--data {option}: give NAME=PATH (for example vox1=/data/vox1_frames) or the word sample")
    if weights is None:
        if from_environment := os.environ.get(WEIGHTS_VARIABLE):
            weights = Path(from_environment).expanduser()
        elif from_file := settings.get("weights", {}).get("path"):
            weights = file.parent / Path(from_file).expanduser()
    if weights is not None and not weights.is_dir():
        raise UserError(f"weights folder {weights} does not exist")
    return Config(data=roots, sample=sample, weights=weights, cache=cache_folder())


def _read(file: Path) -> dict[str, dict[str, str]]:
    if not file.exists():
        return {}
    try:
        settings = tomllib.loads(files.text(file))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise UserError(f"{file}: cannot be read as TOML: {error}") from None
    unknown = sorted(set(settings) - {"data", "weights"})
    if unknown:
        raise UserError(f"{file}: unknown table [{unknown[0]}]; known are [data] and [weights]")
    for table, entries in settings.items():
        if not isinstance(entries, dict) or not all(isinstance(value, str) for value in entries.values()):
            raise UserError(f'{file}: [{table}] must hold lines of the form NAME = "PATH"')
    return settings
