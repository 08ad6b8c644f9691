"""`python -m bench samples fetch`: copy the sample checkpoints on record from a folder, each checked by its SHA-256."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from baselines import samples
from baselines.card import card
from bench.runtime.errors import UserError
from bench.samples.build import writable
from bench.samples.survey import Sample, sample
from protocols import files


def fetch(names: Sequence[str], source: Path) -> tuple[list[Sample], list[str]]:
    """Copy missing and damaged files from `source`, a folder of files or a clone.

    Returns the sample checkpoints that are here now, and the names that `source` lacks. Copies nothing unless every
    file found is the one on record. Raises UserError for one that is not, and for a folder that is missing or has none.
    """
    if not source.is_dir():
        raise UserError(f"--from {source}: no such folder", code="missing-folder")
    here = [name for name in names if (found := sample(name)).exists and not found.damaged]
    copies = {name: file for name in names if name not in here and (file := _find(source, name))}
    if not here and not copies:
        raise UserError(f"--from {source}: holds none of {', '.join(names)}", code="missing-file")
    for name, file in copies.items():
        _check(name, file, file)
    folder = writable()
    for name, file in copies.items():
        with files.replacing(folder / samples.file_name(name)) as temporary:
            shutil.copyfile(file, temporary)
            _check(name, temporary, file)  # again: the source may have changed meanwhile
    return [sample(name) for name in (*here, *copies)], [name for name in names if name not in (*here, *copies)]


def _find(source: Path, name: str) -> Path | None:
    package, file = card(name).package, samples.file_name(name)
    places = [source / file, *(source / base / package / samples.EXTRA / file for base in ("", "baselines"))]
    return next((place for place in places if place.is_file()), None)


def _check(name: str, file: Path, shown: Path) -> None:
    known = samples.recipe(name).sha256
    if not known:
        raise UserError(
            f"{shown}: no file of {name} is on record to compare it with; `samples build {name}` trains it",
            code="unknown-sample",
        )
    if (found := files.sha256(file)) != known:
        raise UserError(
            f"{shown} is not the sample checkpoint of {name} on record: its sha256 is {found}, not {known}",
            code="changed-file",
        )
