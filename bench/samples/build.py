"""`python -m bench samples build`: train sample checkpoints by their recipes on record."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from baselines import samples
from baselines.card import card
from bench.runtime.errors import UserError
from bench.samples.survey import Sample, command, sample
from bench.training.command import train
from bench.weights.export import export

Tell = Callable[[str], None]


def build(names: Sequence[str], seeds: int, tell: Tell) -> list[Sample]:
    """Train what is not there yet, one after another, in the samples folder; return what is there in the end.

    A training begins from the sample checkpoint of its start, which is trained before where it is missing. It goes on
    where it was stopped, to the bit. seeds: trainings of each, with seeds from 1 on. Raises as `train` does.
    """
    done = []
    for name in _in_order(names):
        for seed in range(samples.SEED, samples.SEED + (seeds if name in names else 1)):
            found = sample(name, seed)
            if found.there:
                tell(f"there {found.file}: {found.said}")
            else:
                with _alone(name, seed):
                    tell(f"training {name}, seed {seed}: {command(name, seed, _training(name, seed))}")
                    found = _train(name, seed)
                    tell(f"built {found.file}: {found.said}")
            done.append(found)
    return done


def writable() -> Path:
    """Make the samples folder and return it. Raises UserError where that cannot be."""
    folder = samples.folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"samples folder {folder}: {error.strerror}", code="unwritable-file") from None
    return folder


def _in_order(names: Sequence[str]) -> list[str]:
    """The names, with the missing starts of their trainings before them."""
    ordered: dict[str, None] = {}
    for name in names:
        line = [name]
        while (start := samples.recipe(line[-1]).start) and not sample(start).there:
            line.append(start)
        ordered |= dict.fromkeys(reversed(line))
    return list(ordered)


def _training(name: str, seed: int) -> Path:
    return samples.folder() / "trainings" / f"{name}.seed{seed}"


@contextmanager
def _alone(name: str, seed: int) -> Iterator[None]:
    """Hold a training's folder for this process. Raises UserError where another one trains in it."""
    folder = _training(name, seed)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{folder}.lock", timeout=0)
        lock.acquire()
    except Timeout:
        raise UserError(
            f"another process trains {name}, seed {seed}, in {folder}; wait for it", code="locked"
        ) from None
    except OSError as error:
        raise UserError(f"{folder.parent}: {error.strerror}", code="unwritable-folder") from None
    try:
        yield
    finally:
        lock.release()


def _train(name: str, seed: int) -> Sample:
    recipe, out = samples.recipe(name), _training(name, seed)
    given: dict[str, Any] = {"model": name, "data": "sample", "steps": recipe.steps, "seed": seed, "device": "cpu"}
    given |= {"threads": samples.THREADS, "out": out}
    if recipe.learning_rate is not None:
        given["learning_rate"] = recipe.learning_rate
    if recipe.start:
        given["init_from"] = card(recipe.start).sample
    threads = torch.get_num_threads()
    try:
        trained = train(None, given)
    finally:
        torch.set_num_threads(threads)
    target = samples.folder() / samples.file_name(name, seed)
    shutil.copyfile(out / "log.csv", target.with_name(f"{target.stem}_log.csv"))
    export(trained, target, name, half=True)  # last: with this file the sample counts as built
    shutil.rmtree(out)  # ten times the size of what is kept
    return sample(name, seed)
