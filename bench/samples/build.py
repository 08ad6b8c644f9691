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

Notify = Callable[[str], None]


def build(names: Sequence[str], seeds: int, notify: Notify) -> list[Sample]:
    """Train missing sample checkpoints, one after another, into the samples folder; return all that were requested.

    A training starts from the sample checkpoint that its recipe names, which is trained first if it is missing. A
    stopped training resumes with the same bits. seeds: trainings of each, with seeds 1 to `seeds`.
    Raises UserError for a damaged file in the place of one, and as `train` does.
    """
    done = []
    for name in _in_order(names):
        for seed in range(samples.SEED, samples.SEED + (seeds if name in names else 1)):
            found = sample(name, seed)
            if found.damaged:
                raise UserError(
                    f"{found.file} is damaged; remove it to train {name} again", code="unreadable-checkpoint"
                )
            if found.exists:
                notify(f"there {found.file}: {found.status}")
            else:
                with _locked(name, seed):
                    notify(f"training {name}, seed {seed}: {command(name, seed, _training(name, seed))}")
                    found = _train(name, seed)
                    notify(f"built {found.file}: {found.status}")
            done.append(found)
    return done


def writable() -> Path:
    """Make the samples folder and return it. Raises UserError if it cannot be made."""
    folder = samples.folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"samples folder {folder}: {error.strerror}", code="unwritable-file") from None
    return folder


def _in_order(names: Sequence[str]) -> list[str]:
    """Return the names, each after the missing checkpoints that its training starts from."""
    ordered: dict[str, None] = {}
    for name in names:
        line = [name]
        while (start := samples.recipe(line[-1]).start) and not sample(start).exists:
            line.append(start)
        ordered |= dict.fromkeys(reversed(line))
    return list(ordered)


def _training(name: str, seed: int) -> Path:
    return samples.folder() / "trainings" / f"{name}.seed{seed}"


@contextmanager
def _locked(name: str, seed: int) -> Iterator[None]:
    """Lock a training's folder for this process. Raises UserError if another process trains in it."""
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
