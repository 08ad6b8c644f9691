"""A training run: its state between two steps, seeded and exactly resumable, and the computation of a step."""

from __future__ import annotations

import logging
import math
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from baselines.card import STATE_FILE
from baselines.checkpoints import save_sample
from baselines.predictor import ModelError
from baselines.training import norms, storage
from baselines.training.adversarial import adversary
from baselines.training.average import Average
from baselines.training.boards import Board
from baselines.training.data import Augmentation, TrainingFrames
from baselines.training.evaluation import Evaluate, Evaluations
from baselines.training.files import networks_of
from baselines.training.processes import Losses, processes
from baselines.training.settings import BETAS, TrainSettings
from baselines.training.trainee import Trainee
from baselines.training.trainees import trainee
from protocols import files

log = logging.getLogger(__name__)

_MAX_SKIPPED = 10
_NORM_BATCHES = 25
_PICTURES = 4


class Run:
    """State of a training run between two steps."""

    def __init__(self, settings: TrainSettings, data: TrainingFrames):
        self.settings, self.data = settings, data
        self.processes = processes(torch.device(settings.device), settings.devices)
        self.device, self.leads = self.processes.device, self.processes.rank == 0
        # For the AVD network the augmentation may not scale the driving frame alone, which would change the shape.
        plain = settings.recipe == "published" or settings.part == "avd"
        hue = Augmentation.color if settings.recipe == "published" else 0.0
        self.augmentation = Augmentation(shared=0, own=0, hue=hue) if plain else Augmentation()
        torch.manual_seed(settings.seed)
        self.trainee: Trainee = trainee(settings).to(self.device)
        self.notes = self.trainee.notes(data.poses)
        for name, note in self.notes.items():
            missing = note.startswith("off") and settings.recipe == "published"
            log.log(logging.WARNING if missing else logging.INFO, "%s: %s", name.replace("_", " "), note)
        self.optimizer: torch.optim.Optimizer = torch.optim.Adam(
            self.trainee.networks.parameters(), settings.learning_rate, BETAS, weight_decay=settings.weight_decay
        )
        self.adversary = adversary(settings, self.device)
        self.trainee.discriminator = self.adversary.module if self.adversary else None
        self.average = Average(self.trainee.networks, settings.ema) if settings.ema else None
        self.step, self.skipped, self.seconds, self.split = 0, 0, 0.0, 1
        self.rows: list[dict[str, Any]] = []
        self.sums: dict[str, float] = {}
        self.evaluations = Evaluations()
        settings.out.mkdir(parents=True, exist_ok=True)
        if self.leads:
            files.remove_unfinished(settings.out)  # left by a killed training
        self.state_file = settings.out / STATE_FILE
        if self.state_file.is_file():
            storage.restore(self)
            log.info("continuing at step %d", self.step)
        elif settings.init_from is not None:
            try:
                taken = self.trainee.start_from(networks_of(settings.init_from))
            except ModelError as error:
                raise ModelError(f"{settings.model} from {settings.init_from}: {error}", code=error.code) from error
            log.info("starting from %s: %s", settings.init_from, ", ".join(taken))
            if self.average:
                self.average = Average(self.trainee.networks, settings.ema)
        self.losses = self.processes.wrap(Losses(self.trainee.networks, lambda *a: self.trainee.losses(*a)))
        if self.adversary:
            self.adversary.loss = self.processes.wrap(self.adversary.module)
        self.board = Board(settings.out, self.step) if settings.tensorboard and self.leads else None

    def advance(self) -> None:
        """Take one step; a non-finite loss or gradient changes only the count of such steps."""
        started = time.perf_counter()
        settings = self.settings
        side, batch = settings.stage(self.step)
        self.trainee.set_side(side)
        frozen = self.step >= round(settings.norm_freeze * settings.steps)
        if frozen and self.step == round(settings.norm_freeze * settings.steps):
            self.recalibrate()
        norms.set_norm_training(self.trainee.networks, not frozen)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = settings.rate(self.step)
        parts = self.guarded_gradients(side, batch)
        limit = math.inf if settings.clip_norm is None else settings.clip_norm
        gradients = [nn.utils.clip_grad_norm_(net.parameters(), limit) for net in self.trainee.networks.values()]
        checked: list[Any] = [*parts.values(), *gradients]
        if self.adversary:
            checked.append(nn.utils.clip_grad_norm_(self.adversary.module.parameters(), limit))
        if self.processes.all(all(math.isfinite(value) for value in checked)):
            for optimizer in self.optimizers:
                optimizer.step()
            self.skipped = 0
        else:
            self.skipped += 1
            log.warning("step %d: non-finite loss or gradient, step skipped", self.step)
            if self.skipped > _MAX_SKIPPED:
                raise ModelError(f"training of {settings.model} diverged at step {self.step}", code="diverged")
        self.step += 1
        if self.average:
            self.average.update(self.step)
        self.seconds += time.perf_counter() - started
        self.note(parts | {"gradient": float(max(gradients))}, side)

    def guarded_gradients(self, side: int, batch: int) -> dict[str, float]:
        """Compute `gradients`; when out of memory, split this and later batches into twice as many parts."""
        while True:
            try:
                return self.gradients(side, batch)
            except (RuntimeError, MemoryError) as error:
                if not _out_of_memory(error):
                    raise
                size = -(-batch // (2 * self.split))
                smallest = batch % size or size  # of the parts that `chunk` makes
                if self.split >= batch or smallest < self.trainee.fewest or self.processes.count > 1:
                    self.save()
                    raise ModelError(
                        f"out of memory at step {self.step}, {batch} pairs of side {side} in {self.split} parts; the "
                        f"state was saved in {self.state_file}; smaller `stages` in --config need less",
                        code="out-of-memory",
                    ) from None
            self.split *= 2
            self.clear_gradients()
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            log.warning("out of memory at step %d: batches are now split into %d parts", self.step, self.split)

    @property
    def optimizers(self) -> list[torch.optim.Optimizer]:
        return [self.optimizer, self.adversary.optimizer] if self.adversary else [self.optimizer]

    def clear_gradients(self) -> None:
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)

    def gradients(self, side: int, batch: int) -> dict[str, float]:
        """Compute the gradients of a step; return the weighted losses by name, and their total.

        With a discriminator, also its gradients on the same results, and its loss, which is not part of the total.
        """
        self.clear_gradients()
        sums: dict[str, float] = {}
        count = self.settings.accumulate
        for number in range(count):
            rng = self.seed(self.step, self.processes.rank * count + number)
            whole = self.data.pairs(batch, side, rng, self.augmentation, self.device)
            parts = list(zip(*(x.chunk(self.split) for x in whole)))
            for i, (source, driving, *poses) in enumerate(parts):
                share = len(source) / batch / count
                last = number == count - 1 and i == len(parts) - 1
                with self.processes.without_exchange(self.losses, not last):
                    losses = self.losses(source, driving, rng, self.step / self.settings.steps, *poses)
                    total = torch.stack(list(losses.values())).sum()
                    self.processes.backward(total * share)
                losses |= {"total": total}
                if self.adversary:
                    with self.processes.without_exchange(self.adversary.loss, not last):
                        losses["discriminator"] = self.adversary.loss(*self.trainee.compared)
                        self.processes.backward(losses["discriminator"] * share)
                for name, value in losses.items():
                    sums[name] = sums.get(name, 0.0) + float(value.detach()) * share
        return sums

    def seed(self, step: int, number: int = 0) -> torch.Generator:
        """Return the generator of a step's batch; seeds the global one alike, for noise inside networks."""
        seed = self.settings.seed * 1_000_003 + step + number * 2_654_435_761  # only the low 32 bits count
        torch.manual_seed(seed)
        return torch.Generator().manual_seed(seed)

    def note(self, parts: dict[str, float], side: int) -> None:
        """Add a step to the means of the log's current row; end the row every `log_every` steps."""
        for name, value in parts.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        every = self.settings.log_every
        if self.step % every == 0 or self.step == self.settings.steps:
            count = every if self.step % every == 0 else self.step % every
            row = {"step": self.step, "side": side, "rate": self.settings.rate(self.step - 1)}
            row |= {name: value / count for name, value in self.sums.items()} | {"seconds": round(self.seconds, 1)}
            self.rows.append(row)
            self.sums = {}
            if self.leads:
                with files.replacing(self.settings.out / "log.csv") as temporary:
                    pd.DataFrame(self.rows).to_csv(temporary, index=False)
                log.info("  ".join(f"{k} {v:.4g}" for k, v in row.items()))
            if self.board:
                self.board.row(row)

    @torch.no_grad()
    def recalibrate(self) -> None:
        """Measure batch norm's statistics over new batches at the final side."""
        if not norms.norms(self.trainee.networks):
            return
        side, _, batch = self.settings.plan[-1]
        self.trainee.set_side(side)
        rng = self.seed(self.settings.steps + self.step)

        def forward() -> None:
            self.trainee.measure(*self.data.batch(max(batch, 4), side, rng, self.augmentation, self.device))

        norms.recalibrate(self.trainee.networks, forward, _NORM_BATCHES)

    @torch.no_grad()
    def draw(self) -> None:
        """Write pictures of a few fixed pairs for TensorBoard."""
        if not self.board:
            return
        side, _ = self.settings.stage(max(self.step - 1, 0))
        self.trainee.set_side(side)
        self.trainee.networks.eval()
        still = Augmentation(shared=0, own=0, color=0)
        source, driving = self.data.batch(_PICTURES, side, self.seed(0), still, self.device)
        self.board.pictures(source, driving, self.trainee.reconstruct(source, driving).float(), self.step)

    def evaluate(self, evaluate: Evaluate) -> None:
        """Evaluate the checkpoint as it would be exported now, and keep the best one beside the last."""
        settings, row = self.settings, None
        if self.leads:
            with norms.kept(self.trainee.networks):
                early = settings.recipe == "short" and self.step <= round(settings.norm_freeze * settings.steps)
                file = self.export(settings.out / f"{settings.model}.latest.safetensors", early)
            row = self.evaluations.note(self.step, evaluate(file), file)
            log.info("evaluation  " + "  ".join(f"{k} {v:.4g}" for k, v in row.items()))
            if self.board:
                self.board.row(row, "evaluation")
            self.evaluations.write(settings.out / "evaluation.csv")
            self.trainee.set_side(settings.stage(self.step - 1)[0])
        self.evaluations.done = not self.processes.all(not self.evaluations.exhausted(settings.patience))

    def save(self) -> None:
        if self.leads:
            with files.replacing(self.state_file) as temporary, temporary.open("wb") as stream:
                torch.save(storage.state(self), stream)

    def export(self, path: Path | None = None, measure_norms: bool | None = None) -> Path:
        """Write the checkpoint with its configuration and provenance. path: instead of the run's own."""
        path = path or self.settings.out / f"{self.settings.model}.safetensors"
        if measure_norms is None:
            # With the recipe ``published``, a checkpoint has the running statistics.
            measure_norms = self.settings.norm_freeze >= 1 and self.settings.recipe == "short"
        with self.average.in_place() if self.average else nullcontext():
            if measure_norms or self.average:
                self.recalibrate()
            self.trainee.set_side(self.settings.frame_size)
            if self.leads:
                new = self.trainee
                save_sample(path, self.settings.model, new.exported, new.exported_config, storage.facts(self))
        return path


def _out_of_memory(error: BaseException) -> bool:
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error)
