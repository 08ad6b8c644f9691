"""The training loop: seeded, resumable to the bit, logged."""

from __future__ import annotations

import hashlib
import logging
import math
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from baselines import checkpoints
from baselines.checkpoints import save_sample
from baselines.predictor import ModelError
from baselines.training.data import Augmentation, TrainingFrames
from baselines.training.settings import TrainSettings
from baselines.training.trainees import Trainee, trainee

log = logging.getLogger(__name__)

_STATE_FILE = "state.pt"
_CLIP_NORM = 50.0
_MAX_SKIPPED = 10
_NORM_BATCHES = 25


def train(settings: TrainSettings) -> Path:
    """Train one model and return its checkpoint, ``<out>/<model>.safetensors``.

    Where ``<out>/state.pt`` exists, goes on from there; the result is the one of an uninterrupted run with the same
    number of threads. Every step draws from a generator seeded by (seed, step), so no generator state is kept.
    Raises ModelError for unusable settings, data or weights, and where the losses stay non-finite.
    On Ctrl-C the step under way is finished and saved before KeyboardInterrupt is raised.
    """
    data = TrainingFrames(settings.data, list(settings.clips) if settings.clips is not None else None)
    run = Run(settings, data)
    with _Interruption() as interruption:
        while run.step < settings.steps:
            run.advance()
            if run.step % settings.save_every == 0 or interruption.asked:
                run.save()
            if interruption.asked:
                raise KeyboardInterrupt
    run.save()
    return run.export()


class Run:
    """State of a training run between two steps."""

    def __init__(self, settings: TrainSettings, data: TrainingFrames):
        self.settings, self.data = settings, data
        torch.manual_seed(settings.seed)
        self.device = torch.device(settings.device)
        self.trainee: Trainee = trainee(settings).to(self.device)
        self.optimizer = torch.optim.Adam(self.trainee.networks.parameters(), settings.learning_rate, (0.5, 0.999))
        self.step, self.skipped, self.seconds = 0, 0, 0.0
        self.rows: list[dict[str, Any]] = []
        self.sums: dict[str, float] = {}
        settings.out.mkdir(parents=True, exist_ok=True)
        self.state_file = settings.out / _STATE_FILE
        if self.state_file.is_file():
            self.load()
        elif settings.init_from is not None:
            taken = self.trainee.start_from(networks_of(settings.init_from))
            log.info("starting from %s: %s", settings.init_from, ", ".join(taken))

    def advance(self) -> None:
        """One step; a step with a non-finite loss or gradient changes nothing but the count of such steps."""
        started = time.perf_counter()
        settings = self.settings
        side, batch = settings.stage(self.step)
        self.trainee.set_side(side)
        frozen = self.step >= round(settings.norm_freeze * settings.steps)
        if frozen and self.step == round(settings.norm_freeze * settings.steps):
            self.recalibrate()
        set_norm_training(self.trainee.networks, not frozen)
        for group in self.optimizer.param_groups:
            group["lr"] = settings.rate(self.step)
        rng = self.seed(self.step)
        source, driving = (x.to(self.device) for x in self.data.batch(batch, side, rng, Augmentation()))
        parts = self.trainee.losses(source, driving, rng, self.step / settings.steps)
        total = torch.stack(list(parts.values())).sum()
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        norms = [nn.utils.clip_grad_norm_(net.parameters(), _CLIP_NORM) for net in self.trainee.networks.values()]
        if math.isfinite(total.item()) and all(math.isfinite(norm) for norm in norms):
            self.optimizer.step()
            self.skipped = 0
        else:
            self.skipped += 1
            log.warning("step %d: non-finite loss or gradient, step skipped", self.step)
            if self.skipped > _MAX_SKIPPED:
                raise ModelError(f"training of {settings.model} diverged: no finite loss since step {self.step}")
        self.step += 1
        self.seconds += time.perf_counter() - started
        self.note(parts | {"total": total, "gradient": max(norms)}, side)

    def seed(self, step: int) -> torch.Generator:
        """Generator of a step; the global one, which noise inside a network draws from, is seeded alike."""
        number = self.settings.seed * 1_000_003 + step
        torch.manual_seed(number)
        return torch.Generator().manual_seed(number)

    def note(self, parts: dict[str, Tensor], side: int) -> None:
        """Add a step to the means of the log's current row; close the row every `log_every` steps."""
        for name, value in parts.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(value.detach())
        every = self.settings.log_every
        if self.step % every == 0 or self.step == self.settings.steps:
            count = every if self.step % every == 0 else self.step % every
            row = {"step": self.step, "side": side, "rate": self.settings.rate(self.step - 1)}
            row |= {name: value / count for name, value in self.sums.items()} | {"seconds": round(self.seconds, 1)}
            self.rows.append(row)
            self.sums = {}
            self.write_log()
            log.info("  ".join(f"{k} {v:.4g}" for k, v in row.items()))

    def write_log(self) -> None:
        _atomically(self.settings.out / "log.csv", lambda file: pd.DataFrame(self.rows).to_csv(file, index=False))

    @torch.no_grad()
    def recalibrate(self) -> None:
        """Replace the running statistics of batch norm by the plain mean over fresh batches at the final side."""
        norms = [m for m in self.trainee.networks.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        if not norms:
            return
        side, batch = self.settings.plan[-1][0], self.settings.plan[-1][2]
        self.trainee.set_side(side)
        set_norm_training(self.trainee.networks, True)
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # cumulative mean
        rng = self.seed(self.settings.steps + self.step)
        for _ in range(_NORM_BATCHES):
            source, driving = self.data.batch(max(batch, 4), side, rng, Augmentation())
            self.trainee.reconstruct(source.to(self.device), driving.to(self.device))
        for norm in norms:
            norm.momentum = 0.1

    def state(self) -> dict[str, Any]:
        return {
            "networks": self.trainee.networks.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "skipped": self.skipped,
            "seconds": self.seconds,
            "rows": self.rows,
            "sums": self.sums,
            "identity": self.identity(),
        }

    def identity(self) -> dict[str, Any]:
        """What must agree for a state to be continued."""
        fixed = self.settings.model_dump(mode="json", exclude={"data", "out", "save_every", "log_every", "device"})
        start = self.settings.init_from
        return fixed | {"init_from": _sha256(start) if start else None, "data_sha256": self.data.sha256}

    def save(self) -> None:
        _atomically(self.state_file, lambda file: torch.save(self.state(), file))

    def load(self) -> None:
        state = torch.load(self.state_file, map_location=self.device, weights_only=True)
        differing = [key for key, value in self.identity().items() if state["identity"].get(key) != value]
        if differing:
            raise ModelError(f"{self.state_file} is of a run with another {', '.join(differing)}; use another folder")
        self.step, self.skipped, self.seconds = state["step"], state["skipped"], state["seconds"]
        self.rows, self.sums = state["rows"], state["sums"]
        self.trainee.set_side(self.settings.stage(max(self.step - 1, 0))[0])
        self.trainee.networks.load_state_dict(state["networks"])
        self.optimizer.load_state_dict(state["optimizer"])
        log.info("continuing at step %d", self.step)

    def export(self) -> Path:
        """Write the checkpoint with its configuration and provenance."""
        if self.settings.norm_freeze >= 1:
            self.recalibrate()
        self.trainee.set_side(256)
        path = self.settings.out / f"{self.settings.model}.safetensors"
        facts = self.identity() | {"data_frames": len(self.data), "seconds": round(self.seconds), "step": self.step}
        facts |= {"stages": self.settings.plan, "torch": torch.__version__, "threads": torch.get_num_threads()}
        save_sample(path, self.settings.model, dict(self.trainee.networks), self.trainee.config, facts)
        return path


def networks_of(path: Path) -> dict[str, Tensor]:
    """Tensors by ``<network>.<key>`` of a checkpoint, or of the ``state.pt`` of a run, finished or not."""
    if path.name == _STATE_FILE:
        return torch.load(path, map_location="cpu", weights_only=True)["networks"]
    states = checkpoints.load(path).states
    return {f"{name}.{key}": value for name, state in states.items() for key, value in state.items()}


def _sha256(path: Path) -> str:
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from None


def set_norm_training(networks: nn.Module, training: bool) -> None:
    """Training mode everywhere, but batch norm with running statistics where `training` is false."""
    networks.train()
    for module in networks.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.train(training)


class _Interruption:
    """Notes Ctrl-C instead of raising it in the middle of a step; a second one is raised at once."""

    asked = False

    def __enter__(self) -> _Interruption:
        # Only the main thread may set handlers; elsewhere Ctrl-C does not arrive anyway.
        self.previous = None
        if threading.current_thread() is threading.main_thread():
            self.previous = signal.signal(signal.SIGINT, self.note)
        return self

    def note(self, *_: Any) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def __exit__(self, *_: Any) -> None:
        if self.previous is not None:
            signal.signal(signal.SIGINT, self.previous)


def _atomically(path: Path, write: Callable[[Path], Any]) -> None:
    temporary = path.with_name(path.name + ".part")
    write(temporary)
    os.replace(temporary, path)
