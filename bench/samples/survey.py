"""List the sample checkpoints: the place of each file, and whether it is the one on record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from baselines import samples
from baselines.card import MODELS, card
from bench.runtime.errors import UserError
from protocols import files
from reports.paper.tables import published

Place = Literal["package", "clone", "samples folder", "nowhere"]
BUILD = "python -m bench samples build"


@dataclass(frozen=True)
class Sample:
    """One training of a model's recipe.

    file: its path, or the path that `build` would write. on_record: whether it is the file on record; None without one.
    """

    name: str
    seed: int
    place: Place
    file: Path
    on_record: bool | None

    @property
    def exists(self) -> bool:
        """Return whether a file was found, in whatever state."""
        return self.on_record is not None

    @property
    def damaged(self) -> bool:
        """Return whether the file cannot be opened."""
        return self.on_record is False and samples.damaged(self.file)

    @property
    def status(self) -> str:
        """Return the state of the file in words."""
        if not self.exists:
            return "no file"
        if self.on_record:
            return "the file on record"
        whole = "built here" if self.place == "samples folder" else "changed"
        mine = f"{'damaged' if self.damaged else whole}, sha256 {files.short_hash(self.file)}…"
        known = samples.recipe(self.name).sha256 if self.seed == samples.SEED else ""
        return f"{mine}: not the file on record, {known[:12]}…" if known else f"{mine}: no file of it is on record"


def survey(names: Sequence[str] = ()) -> list[Sample]:
    """Return every sample checkpoint on record, and other seeds that were built. Raises as `recipe` for other names."""
    found = []
    for name in names or samples.recipes():
        found.append(sample(name))
        found += [Sample(name, seed, "samples folder", file, False) for seed, file in samples.other_seeds(name).items()]
    return found


def sample(name: str, seed: int = samples.SEED) -> Sample:
    """Return the sample checkpoint of a model; other seeds than the recorded one are in the samples folder."""
    recipe(name)
    about, built = card(name), samples.folder() / samples.file_name(name, seed)
    file = about.sample if seed == samples.SEED else built
    if not file.is_file():
        return Sample(name, seed, "nowhere", built, None)
    places: dict[Path, Place] = {about.folder: "package", about.folder / samples.EXTRA: "clone"}
    on_record = seed == samples.SEED and samples.recorded(file, name)
    return Sample(name, seed, places.get(file.parent, "samples folder"), file, on_record)


def recipe(name: str) -> samples.Recipe:
    """Return a model's recipe. Raises UserError, with the reason, for a network without one; ModelError for others."""
    if name in MODELS and name not in samples.recipes():
        why = f"`train --model {name}` trains it, but no recipe is recorded"
        if card(name).trainee is None:
            why = "it is not trained here"
        raise UserError(
            f"{name} has no sample checkpoint on record: {why}; {name}?weights=untrained uses random weights",
            code="unknown-sample",
        )
    return samples.recipe(name)


def command(name: str, seed: int = samples.SEED, out: Path | None = None) -> str:
    """Return the command that trains it on this machine, from the sample checkpoint found here."""
    recipe = samples.recipe(name)
    return recipe.command(_shown(card(recipe.start).sample) if recipe.start else None, seed, out)


def _shown(file: Path) -> str:
    """Return a path relative to the working directory where it is below it, as in commands of a clone."""
    return str(file.relative_to(Path.cwd())) if file.is_relative_to(Path.cwd()) else str(file)


def chosen(names: Sequence[str], every: bool, tables: Sequence[str]) -> list[str]:
    """Return the requested names: as given, all, or those of tables' rows. Raises UserError, ModelError."""
    if bool(names) + every + bool(tables) != 1:
        raise UserError("name sample checkpoints, or give --all or --table NAME", code="missing-option")
    if names:
        return [recipe(name).model for name in dict.fromkeys(names)]
    known = samples.recipes()
    if every:
        return list(known)
    rows = {row.model for table in published(tables) for row in table.rows if row.model}
    if not (found := [name for name in known if name in rows]):
        raise UserError(f"--table {', '.join(tables)}: no row of it has a sample checkpoint", code="unknown-sample")
    return found
