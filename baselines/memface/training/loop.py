"""The training loop of both stages: seeded by (seed, step), resumable to the bit."""

from __future__ import annotations

import json
import logging
import math
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from baselines.card import STATE_FILE
from baselines.checkpoints import save_states
from baselines.errors import ModelError
from baselines.unpickling import read_safely
from protocols import files, interruption

log = logging.getLogger(__name__)

LOG_FILE = "log.csv"


class Stage(ABC):
    """A stage in training: networks, their optimizers, and the computation of a step.

    networks: all learned parameters and changing buffers. optimizers: by name, over their parameters.
    name: of the model, and of its checkpoint's file. identity: settings and hashes of data as JSON; they must be equal
    to resume a training.
    Build it right after ``torch.manual_seed(seed)``, so that the seed determines the initial weights, too.
    """

    name: str
    networks: nn.ModuleDict
    optimizers: dict[str, torch.optim.Optimizer]
    identity: dict[str, Any]

    @abstractmethod
    def step(self, number: int, rng: torch.Generator, progress: float) -> dict[str, float]:
        """Take one optimizer step and return its losses by name.

        number: of the step, from 0. rng: for this step only; torch's global generator has the same seed. Nothing else
        may be random, and only `networks` and `optimizers` may keep state between steps.
        progress: share of finished steps, in [0, 1).
        """

    @abstractmethod
    def checkpoint(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the content of the exported file: tensors by ``<network>.<key>``, and facts as JSON values.

        The optional fact ``config`` is the network's configuration (`baselines.checkpoints`); others are for manifests.
        """


@dataclass
class _Run:
    """State between two steps."""

    step: int = 0
    seconds: float = 0.0
    rows: list[dict[str, Any]] = field(default_factory=list)
    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)


def train(stage: Stage, *, out: Path, steps: int, seed: int, save_every: int, log_every: int = 50) -> Path:
    """Train to the end and return the checkpoint ``<out>/<name>.safetensors``.

    Resumes from ``<out>/state.pt`` if it exists; the result equals that of an uninterrupted run with the same number of
    threads. ``<out>/log.csv`` has means of the losses over every `log_every` steps.
    Raises ModelError if a loss is not finite, and for a folder of another training; KeyboardInterrupt on Ctrl-C in a
    command, after the current step is saved.
    """
    out.mkdir(parents=True, exist_ok=True)
    files.remove_unfinished(out)  # left by a killed training
    identity = json.loads(json.dumps({**stage.identity, "name": stage.name, "seed": seed, "steps": steps}))
    run = _restore(stage, out / STATE_FILE, identity) if (out / STATE_FILE).is_file() else _Run()
    while run.step < steps:
        started = time.perf_counter()
        losses = stage.step(run.step, _generator(seed, run.step), run.step / steps)
        if wrong := [name for name, value in losses.items() if not math.isfinite(value)]:
            raise ModelError(
                f"training of {stage.name} diverged at step {run.step} ({', '.join(wrong)})", code="diverged"
            )
        run.step += 1
        run.seconds += time.perf_counter() - started
        _note(run, losses, out, last=run.step == steps, every=log_every)
        stop = interruption.requested()
        if run.step % save_every == 0 or run.step == steps or stop:
            _save(stage, run, out / STATE_FILE, identity)
        if stop:
            raise interruption.Interrupted
    return _export(stage, run, out, identity)


def _generator(seed: int, step: int) -> torch.Generator:
    """Return the generator of a step; seeds torch's global one alike, for random numbers inside a network."""
    number = seed * 1_000_003 + step
    torch.manual_seed(number)
    return torch.Generator().manual_seed(number)


def _note(run: _Run, losses: dict[str, float], out: Path, *, last: bool, every: int) -> None:
    """Add a step to the means of the current row; end the row every `every` steps. Steps may lack some losses."""
    for name, value in losses.items():
        run.sums[name] = run.sums.get(name, 0.0) + value
        run.counts[name] = run.counts.get(name, 0) + 1
    if not last and run.step % every:
        return
    means = {name: value / run.counts[name] for name, value in run.sums.items()}
    run.rows.append({"step": run.step} | means | {"seconds": round(run.seconds, 1)})
    run.sums, run.counts = {}, {}
    with files.replacing(out / LOG_FILE) as temporary:
        pd.DataFrame(run.rows).to_csv(temporary, index=False)
    log.info("  ".join(f"{name} {value:.4g}" for name, value in run.rows[-1].items()))


def _save(stage: Stage, run: _Run, file: Path, identity: dict[str, Any]) -> None:
    state = {
        "networks": stage.networks.state_dict(),
        "optimizers": {name: optimizer.state_dict() for name, optimizer in stage.optimizers.items()},
        "run": vars(run),
        "identity": identity,
    }
    with files.replacing(file) as temporary, temporary.open("wb") as stream:
        torch.save(state, stream)


def _restore(stage: Stage, file: Path, identity: dict[str, Any]) -> _Run:
    kept = read_safely(file)
    if not {"networks", "optimizers", "run", "identity"} <= kept.keys():
        raise ModelError(f"{file} is not a training state of this kind", code="not-a-training-state")
    before = kept["identity"]
    if differing := sorted(key for key in before | identity if before.get(key) != identity.get(key)):
        raise ModelError(
            f"{file} belongs to a run with another {', '.join(differing)}; use another folder", code="other-training"
        )
    stage.networks.load_state_dict(kept["networks"])
    for name, optimizer in stage.optimizers.items():
        optimizer.load_state_dict(kept["optimizers"][name])
    run = _Run(**kept["run"])
    log.info("continuing at step %d", run.step)
    return run


def _export(stage: Stage, run: _Run, out: Path, identity: dict[str, Any]) -> Path:
    tensors, facts = stage.checkpoint()
    states: dict[str, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        network, _, rest = key.partition(".")
        states.setdefault(network, {})[rest] = value.detach().cpu().contiguous()
    told = {name: value for name, value in facts.items() if name != "config"}
    told |= identity | {"seconds": round(run.seconds), "torch": torch.__version__, "threads": torch.get_num_threads()}
    file = out / f"{stage.name}.safetensors"
    save_states(file, stage.name, states, facts.get("config", {}), told)
    return file
