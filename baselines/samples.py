"""Sample checkpoints: the training recipe and the file of each. Does not import torch.

A sample checkpoint is in the package itself (also in the wheel), in ``baselines/<package>/extra/`` (only in a clone of
the repository) or in the samples folder, which `bench samples` fills. The first of these that has it is used.
"""

from __future__ import annotations

import difflib
import os
import re
import shlex
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from safetensors import SafetensorError, safe_open

from baselines.errors import ModelError
from protocols import files
from protocols.cache import cache_folder

VARIABLE = "TALKING_HEAD_BENCH_SAMPLES"
RECORD = Path(__file__).with_name("samples.toml")
EXTRA = "extra"
SUFFIX = ".safetensors"
SEED = 1  # of the recorded files
THREADS = 1
RATE = 1e-3  # default learning rate of `bench train`


@dataclass(frozen=True)
class Recipe:
    """How the sample checkpoint of a model is trained: `bench train` on the sample set, on one thread of a CPU.

    start: the model whose sample checkpoint the training starts from. learning_rate: None for the default.
    sha256: of the recorded file; empty if none is recorded and the file can only be built.
    """

    model: str
    steps: int
    start: str | None = None
    learning_rate: float | None = None
    sha256: str = ""

    def command(self, start: Path | str | None, seed: int = SEED, out: Path | str | None = None) -> str:
        """Return the command line of this training. start: file of the sample checkpoint that it starts from."""
        words = ["python -m bench train --model", self.model, "--data sample --steps", str(self.steps)]
        words += ["--seed", str(seed), "--threads", str(THREADS), "--device cpu"]
        if self.learning_rate is not None:
            words += ["--learning-rate", f"{self.learning_rate:g}"]
        if self.start:
            words += ["--init-from", shlex.quote(str(start))]
        return " ".join([*words, "--out", shlex.quote(str(out or f"runs/train-{self.model}"))])


@lru_cache
def recipes() -> dict[str, Recipe]:
    """Return all recipes by model; a training's start comes before the trainings that start from it."""
    return {name: Recipe(name, **fields) for name, fields in tomllib.loads(RECORD.read_text("utf-8")).items()}


def recipe(name: str) -> Recipe:
    """Return the recipe of a model. Raises ModelError, with the nearest names, if there is none."""
    known = recipes()
    if name not in known:
        near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "`python -m bench samples list` has their names"
        raise ModelError(f"no recipe for a sample checkpoint of {name}; {hint}", code="unknown-sample")
    return known[name]


def folder() -> Path:
    """Return the samples folder: ``$TALKING_HEAD_BENCH_SAMPLES``, or ``samples`` in the cache folder."""
    return Path(chosen).expanduser() if (chosen := os.environ.get(VARIABLE)) else cache_folder() / "samples"


def file_name(name: str, seed: int = SEED) -> str:
    """Return the name of a model's file in the samples folder; it contains the seed unless that is `SEED`."""
    return f"{name}{SUFFIX}" if seed == SEED else f"{name}.seed{seed}{SUFFIX}"


def locate(shipped: Path, name: str) -> Path:
    """Return the path of the model's sample checkpoint; `shipped`, its path in the wheel, if there is none."""
    places = (shipped, shipped.parent / EXTRA / file_name(name), folder() / file_name(name))
    return next((place for place in places if place.is_file()), shipped)


def other_seeds(name: str, seeds: Iterable[int] | None = None) -> dict[int, Path]:
    """Return the files of the same recipe with other seeds, by seed; they are only in the samples folder."""
    pattern = re.compile(re.escape(name) + r"\.seed(\d+)" + re.escape(SUFFIX))
    found = {
        int(match[1]): file
        for file in (folder().glob(f"*{SUFFIX}") if folder().is_dir() else ())
        if (match := pattern.fullmatch(file.name))
    }
    return {seed: found[seed] for seed in sorted(found) if seeds is None or seed in seeds}


def local_state(file: Path, name: str) -> Literal["", "built here", "damaged"]:
    """Return the state of a sample checkpoint in the samples folder; "" for the recorded file and other folders."""
    if file.parent != folder() or recorded(file, name):
        return ""
    return "damaged" if damaged(file) else "built here"


def damaged(file: Path) -> bool:
    """Return whether a file cannot be opened as a safetensors file: truncated, empty or something else."""
    try:
        with safe_open(file, framework="np"):
            return False
    except (SafetensorError, OSError):
        return True


def recorded(file: Path, name: str) -> bool:
    """Return whether a file has the recorded SHA-256."""
    return bool(recipe(name).sha256) and files.sha256(file) == recipe(name).sha256
