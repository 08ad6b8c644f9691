"""What a training run is told."""

from __future__ import annotations

from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field

from baselines.card import card

# (side of the training frames, share of the steps, pairs in a step): coarse to fine. The motion networks work at
# 64x64 whatever the side, so most of their learning can happen where the generator and the loss cost little.
Stages = tuple[tuple[int, float, int], ...]

STAGES: dict[str, Stages] = {
    "fomm": ((64, 0.35, 8), (128, 0.35, 4), (256, 0.30, 2)),
    "tpsm": ((128, 0.75, 4), (256, 0.25, 2)),
    "mraa": ((64, 0.40, 4), (128, 0.35, 2), (256, 0.25, 2)),
    "x2face": ((64, 0.60, 8), (128, 0.20, 4), (256, 0.20, 2)),
    "dagan": ((64, 0.40, 4), (128, 0.35, 2), (256, 0.25, 2)),
    "fv2v": ((64, 0.40, 4), (128, 0.35, 2), (256, 0.25, 2)),
    "mcnet": ((128, 0.65, 4), (256, 0.35, 2)),
    "ostnet": ((64, 0.45, 8), (128, 0.30, 4), (256, 0.25, 2)),
    "fomm+memory": ((128, 0.70, 4), (256, 0.30, 2)),
    "tpsm+memory": ((128, 0.75, 4), (256, 0.25, 2)),
    "fomm+scale": ((128, 0.70, 4), (256, 0.30, 2)),
}


class TrainSettings(BaseModel):
    """Settings of one training run; every field moves the result, except `out` and the three intervals.

    model: one of `trainees.TRAINEES`, or a variant of these.
    data: folder of clips, ``<clip>/<frame>.png``; clips: which of them, all if None.
    out: folder for ``state.pt`` (to resume), ``log.csv`` and, at the end, ``<model>.safetensors``.
    stages: coarse-to-fine plan, the model's own (`STAGES`) if empty.
    init_from: a checkpoint, or the ``state.pt`` of another run; motion networks whose keys and shapes all agree
        start from it.
    norm_freeze: share of the steps after which batch norm keeps its statistics, so that the network learns with
        those that it will be used with.
    bf16: generator and perceptual loss in bfloat16 (motion networks and losses stay in float32).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    data: Path
    out: Path
    clips: tuple[str, ...] | None = None
    steps: int = Field(2000, ge=1)
    seed: int = Field(0, ge=0)
    learning_rate: float = Field(1e-3, gt=0)
    stages: Stages = ()
    init_from: Path | None = None
    norm_freeze: float = Field(0.8, ge=0, le=1)
    bf16: bool = True
    device: str = "cpu"
    save_every: int = Field(100, ge=1)
    log_every: int = Field(20, ge=1)

    @property
    def plan(self) -> Stages:
        return self.stages or STAGES.get(self.model) or STAGES[card(self.model).of]

    def stage(self, step: int) -> tuple[int, int]:
        """(side, batch size) of step 0 … steps-1."""
        end = 0.0
        for side, share, batch in self.plan:
            end += share
            if step < round(end * self.steps):
                return side, batch
        return self.plan[-1][0], self.plan[-1][2]

    def rate(self, step: int) -> float:
        """Learning rate: 50 steps of linear warm-up, then a half cosine down to a fiftieth."""
        warm = min(1.0, (step + 1) / 50)
        cosine = 0.5 * (1 + torch.cos(torch.tensor(torch.pi * step / self.steps)).item())
        return self.learning_rate * warm * (0.02 + 0.98 * cosine)
