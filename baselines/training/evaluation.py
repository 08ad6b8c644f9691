"""Evaluations during a training: results, the best checkpoint, and early stopping."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from protocols import files


@dataclass(frozen=True)
class Evaluation:
    """values: metric to mean. score: the criterion of early stopping; lower is better."""

    values: Mapping[str, float]
    score: float


Evaluate = Callable[[Path], Evaluation]  # evaluates a checkpoint


@dataclass
class Evaluations:
    """rows: step, score and metrics of every evaluation so far. done: whether they ended the training early."""

    rows: list[dict[str, float]] = field(default_factory=list)
    done: bool = False

    def note(self, step: int, evaluation: Evaluation, checkpoint: Path) -> dict[str, float]:
        """Add an evaluation; the checkpoint is copied to ``<model>.best.safetensors`` if it is the best so far."""
        row = {"step": step, "score": evaluation.score, **evaluation.values}
        # Drop evaluations that a killed run made after its last saved state; they are made again.
        self.rows = [*(before for before in self.rows if before["step"] < step), row]
        if row["score"] <= min(before["score"] for before in self.rows):
            best = checkpoint.with_name(checkpoint.name.replace(".latest.", ".best."))
            with files.replacing(best) as temporary:
                shutil.copyfile(checkpoint, temporary)
        return row

    def exhausted(self, patience: int) -> bool:
        """Return whether none of the last `patience` evaluations was better than all before; never for 0."""
        if self.done or not patience or len(self.rows) <= patience:
            return self.done
        scores = [row["score"] for row in self.rows]
        return min(scores[-patience:]) >= min(scores[:-patience])

    def write(self, file: Path) -> None:
        pd.DataFrame(self.rows).to_csv(file, index=False)
