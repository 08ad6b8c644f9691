"""The settings of a training run."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from baselines.card import Stages, card
from baselines.training import published

# For a network of the published size with the recipe ``short``: all steps at its own size.
PUBLISHED_STAGES: Stages = ((256, 1.0, 4),)
AVD_STAGES: Stages = ((256, 1.0, 32),)
BETAS = (0.5, 0.999)  # Adam's, in every training
# Fields that may change when a run resumes: they do not affect the result, or (device) equal results are not promised.
FREE = {"data", "out", "cache", "save_every", "log_every", "evaluate_every", "patience", "tensorboard", "device"}


class TrainSettings(BaseModel):
    """Settings of one training run; every field affects the result, except those in `FREE`.

    model: one of `trainees.trained`, or a variant of these.
    data: folder of clips, ``<clip>/<frame>.png`` or ``<clip>.mp4``; clips: names of those to use; None: all.
    cache: folder for decoded frames, which are then read from disk on demand; None: keep all in memory.
    excluded: names of excluded clips, as in `clips.names` (see `exclude`).
    out: folder for ``state.pt`` (to resume), ``log.csv`` and, at the end, ``<model>.safetensors``.
    part: the trained part: the model's networks, or ``avd``, the network of MRAA and TPSM for animation via
        disentanglement, with the trained networks in `init_from`, which do not change; `size` and `bf16` have no effect
        then.
    size: the reduced network of sample checkpoints, or the one with the published widths.
    frame_size: side of the frames that the network is for.
    stages: coarse-to-fine plan; empty: the plan in the model's card, scaled to the frame size.
    schedule: of the learning rate, see `rate`; milestones: of the schedule ``step``, as shares of the steps.
    recipe: ``short``: with additions for trainings of a few thousand steps on a few clips; ``published``: losses,
        augmentation and sampling as in the papers: the perceptual loss at four scales and no L1, no term that spreads
        keypoints, equivariance on the whole batch, only flips and color changes, all identities equally likely. Its
        defaults of the other fields are the published ones of the model (`published.of`), with one batch per published
        process in a step, distributed over `devices`.
    vgg: weight file of torchvision's VGG-19, as in the papers; None: the VGG-16 of a package.
    poses: table of the frames' true head poses (see `poses`), for face-vid2vid's head pose loss; None: without it.
    adversarial: train with a discriminator; None: if the paper does so and the recipe is ``published``.
    clip_norm: largest L2 norm of each network's gradient; larger ones are scaled down; None or inf: no limit.
    weight_decay: of Adam.
    accumulate: batches per step and process, with summed gradients. devices: number of processes.
    ema: decay of a moving average of the weights, which is then exported; 0: none.
    init_from: a checkpoint, or the ``state.pt`` of another run; motion networks start from it if all their keys and
        shapes agree. With part ``avd`` a full checkpoint of the model.
    norm_freeze: share of the steps after which batch norm's statistics are frozen, so that the network adapts to the
        ones that it will be used with.
    bf16: generator and perceptual loss in bfloat16 (motion networks and losses stay in float32).
    evaluate_every: steps between two evaluations; 0: none. patience: evaluations without improvement before the
        training ends early; 0: never. tensorboard: write scalars and pictures to ``<out>/tensorboard``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    data: Path
    out: Path
    clips: tuple[str, ...] | None = None
    excluded: tuple[str, ...] = ()
    steps: int = Field(2000, ge=1)
    seed: int = Field(0, ge=0)
    learning_rate: float = Field(1e-3, gt=0)
    part: Literal["networks", "avd"] = "networks"
    size: Literal["reduced", "published"] = "reduced"
    frame_size: int = Field(256, ge=256, multiple_of=128)
    stages: Stages = ()
    schedule: Literal["cosine", "constant", "step"] = "cosine"
    milestones: tuple[float, ...] = (0.6, 0.9)
    recipe: Literal["short", "published"] = "short"
    vgg: Path | None = None
    poses: Path | None = None
    adversarial: bool | None = None
    accumulate: int = Field(1, ge=1)
    devices: int = Field(1, ge=1)
    ema: float = Field(0.0, ge=0, lt=1)
    init_from: Path | None = None
    norm_freeze: float = Field(0.8, ge=0, le=1)
    bf16: bool = True
    clip_norm: float | None = Field(50.0, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    device: str = "cpu"
    cache: Path | None = None
    tensorboard: bool = False
    evaluate_every: int = Field(0, ge=0)
    patience: int = Field(0, ge=0)
    save_every: int = Field(100, ge=1)
    log_every: int = Field(20, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _of_recipe(cls, values: Any) -> Any:
        if not isinstance(values, dict) or values.get("recipe") != "published":
            return values
        model = values.get("model")  # not validated yet: another type may have an endless text
        about = published.of(model if isinstance(model, str) else "", str(values.get("part")))
        own = {name: about[name] for name in ("learning_rate", "weight_decay", "clip_norm", "bf16")}
        own |= {"schedule": "step", "norm_freeze": 1.0}
        own["milestones"] = tuple(epoch / about["epochs"] for epoch in about["milestones"])
        devices = values.get("devices", 1)
        if "processes" in about and not values.get("stages") and isinstance(devices, int) and devices > 0:
            own["accumulate"] = math.ceil(about["processes"] / devices)
        return {**own, **values}

    @field_validator("clip_norm")
    @classmethod
    def _finite(cls, norm: float | None) -> float | None:
        return None if norm == math.inf else norm

    @field_validator("milestones")
    @classmethod
    def _ascending(cls, shares: tuple[float, ...]) -> tuple[float, ...]:
        if list(shares) != sorted(shares) or not all(0 < share < 1 for share in shares):
            raise ValueError("must ascend between 0 and 1")
        return shares

    @property
    def plan(self) -> Stages:
        if self.stages:
            return self.stages
        return tuple((side * self.frame_size // 256, share, batch) for side, share, batch in self._usual_plan())

    def _usual_plan(self) -> Stages:
        """Return the stages for frames of 256 pixels."""
        if self.recipe == "published":
            about = published.of(self.model, self.part)
            # The published number may be for all processes together, or for each of them.
            pairs = about["pairs"] if "processes" in about else math.ceil(about["pairs"] / self.devices)
            return ((256, 1.0, pairs),)
        if self.part == "avd":
            return AVD_STAGES
        return PUBLISHED_STAGES if self.size == "published" else card(self.model).stages

    def published_steps(self, identities: int) -> int:
        """Return the steps of the published epochs for `identities`, each drawn the published number of times."""
        about = published.of(self.model, self.part)
        return max(1, round(about["epochs"] * about["repeats"] * identities / self.pairs_of_a_step()))

    def pairs_of_a_step(self) -> float:
        """Return the pairs per step of all processes, mean over the stages."""
        return sum(share * batch for _, share, batch in self.plan) * self.accumulate * self.devices

    def published_pairs(self) -> int:
        """Return the pairs per step of the published training."""
        about = published.of(self.model, self.part)
        return about["pairs"] * about.get("processes", 1)

    def stage(self, step: int) -> tuple[int, int]:
        """Return (side, batch size) of a step from 0 to steps - 1."""
        end = 0.0
        for side, share, batch in self.plan:
            end += share
            if step < round(end * self.steps):
                return side, batch
        return self.plan[-1][0], self.plan[-1][2]

    def rate(self, step: int) -> float:
        """Return the learning rate of a step.

        Schedules: ``cosine``: 50 steps of linear warm-up, then a half cosine down to 1/50. ``constant``. ``step``: a
        tenth after each milestone, as published for FOMM and its successors (60 and 90 of 100 epochs; TPSM: 70 and 90).
        """
        if self.schedule == "constant":
            return self.learning_rate
        if self.schedule == "step":
            return self.learning_rate * 0.1 ** sum(step >= round(share * self.steps) for share in self.milestones)
        warm = min(1.0, (step + 1) / 50)
        cosine = 0.5 * (1 + torch.cos(torch.tensor(torch.pi * step / self.steps)).item())
        return self.learning_rate * warm * (0.02 + 0.98 * cosine)
